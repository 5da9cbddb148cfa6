#include "agent/spiffe/json_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// A byte as Go's scanner quotes it: read as a code point.
std::string quoted_byte(char c) {
  if (c == '\'') return "'\\''";
  if (c == '"') return "'\"'";
  auto byte = static_cast<unsigned char>(c);
  std::string text(1, c);
  if (byte >= 0x80) text = {static_cast<char>(0xC0 | byte >> 6), static_cast<char>(0x80 | (byte & 0x3F))};
  std::string quoted = runtime::go_quote(text);
  return "'" + quoted.substr(1, quoted.size() - 2) + "'";
}

void append_utf8(std::string& out, char32_t rune) {
  auto tail = [&](int shift) { out += static_cast<char>(0x80 | (rune >> shift & 0x3F)); };
  if (rune < 0x80) {
    out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    out += static_cast<char>(0xC0 | rune >> 6);
    tail(0);
  } else if (rune < 0x10000) {
    out += static_cast<char>(0xE0 | rune >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0 | rune >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Error JsonParser::unexpected(std::string_view context) const {
  if (at_end()) return Error(ErrorCode::kMalformed, "unexpected end of JSON input");
  return Error(ErrorCode::kMalformed, fmt::format("invalid character {} {}", quoted_byte(peek()), context));
}

void JsonParser::skip_space() {
  while (!at_end() && (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n')) ++at_;
}

Result<JsonText> JsonParser::parse() {
  STEEPLE_TRY(root, value(0));
  skip_space();
  if (!at_end()) return unexpected("after top-level value");
  result_.root = std::move(root);
  return std::move(result_);
}

Result<JsonValue> JsonParser::value(std::size_t depth) {
  skip_space();
  if (++values_ > kJsonValuesMax) return Error(ErrorCode::kLimit, "too many JSON values");
  if (at_end()) return unexpected("");
  switch (peek()) {
    case '{':
      return object(depth + 1);
    case '[':
      return array(depth + 1);
    case '"': {
      STEEPLE_TRY(text, string());
      return JsonValue(std::move(text));
    }
    case 't':
      STEEPLE_CHECK(literal("true"));
      return JsonValue(true);
    case 'f':
      STEEPLE_CHECK(literal("false"));
      return JsonValue(false);
    case 'n':
      STEEPLE_CHECK(literal("null"));
      return JsonValue();
    default:
      if (peek() == '-' || is_digit(peek())) return number();
      return unexpected("looking for beginning of value");
  }
}

Result<JsonValue> JsonParser::array(std::size_t depth) {
  if (depth > kJsonDepthMax) return Error(ErrorCode::kLimit, "exceeded max depth");
  ++at_;
  JsonValue::Array items;
  skip_space();
  if (next_is(']')) {
    ++at_;
    return JsonValue(std::move(items));
  }
  for (;;) {
    STEEPLE_TRY(item, value(depth));
    items.push_back(std::move(item));
    skip_space();
    if (next_is(']')) break;
    if (!next_is(',')) return unexpected("after array element");
    ++at_;
  }
  ++at_;
  return JsonValue(std::move(items));
}

Result<JsonMember> JsonParser::member(std::size_t depth) {
  skip_space();
  if (!next_is('"')) return unexpected("looking for beginning of object key string");
  JsonMember read;
  STEEPLE_TRY(name, string());
  read.name = std::move(name);
  skip_space();
  if (!next_is(':')) return unexpected("after object key");
  ++at_;
  skip_space();
  read.begin = static_cast<std::uint32_t>(at_);
  STEEPLE_TRY(content, value(depth));
  read.value = std::move(content);
  read.end = static_cast<std::uint32_t>(at_);
  return read;
}

Result<JsonValue> JsonParser::object(std::size_t depth) {
  if (depth > kJsonDepthMax) return Error(ErrorCode::kLimit, "exceeded max depth");
  ++at_;
  JsonValue::Object members;
  skip_space();
  if (!next_is('}')) {
    for (;;) {
      STEEPLE_TRY(read, member(depth));
      members.push_back(std::move(read));
      skip_space();
      if (next_is('}')) break;
      if (!next_is(',')) return unexpected("after object key:value pair");
      ++at_;
    }
  }
  ++at_;
  note_duplicates(members, depth);
  return JsonValue(std::move(members));
}

void JsonParser::note_duplicates(const JsonValue::Object& members, std::size_t depth) {
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  auto by_name = [&](std::size_t a, std::size_t b) {
    return std::pair(std::string_view(members[a].name), a) < std::pair(std::string_view(members[b].name), b);
  };
  std::sort(order.begin(), order.end(), by_name);
  std::size_t first = members.size();
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (members[order[i]].name == members[order[i - 1]].name) first = std::min(first, order[i]);
  }
  if (first == members.size()) return;
  if (depth == 1) {
    result_.duplicate_member = first;
  } else if (!result_.duplicate_below) {
    result_.duplicate_below = members[first].name;
  }
}

Result<std::string> JsonParser::string() {
  ++at_;
  std::string out;
  for (;;) {
    if (at_end()) return unexpected("");
    auto byte = static_cast<unsigned char>(peek());
    if (byte == '"') break;
    if (byte < 0x20) return unexpected("in string literal");
    if (byte == '\\') {
      ++at_;
      STEEPLE_CHECK(escape(out));
      continue;
    }
    std::size_t size = runtime::utf8_sequence_size(text_.substr(at_));
    out += size == 0 ? kReplacement : text_.substr(at_, size);
    at_ += std::max<std::size_t>(size, 1);
  }
  ++at_;
  return out;
}

// After the backslash.
Result<void> JsonParser::escape(std::string& out) {
  static constexpr std::string_view kLetters = "\"\\/bfnrt";
  static constexpr std::string_view kMeaning = "\"\\/\b\f\n\r\t";
  if (at_end()) return unexpected("");
  if (peek() == 'u') {
    STEEPLE_TRY(rune, hexadecimal());
    if (rune >= 0xD800 && rune <= 0xDFFF) return surrogate(rune, out);
    append_utf8(out, rune);
    return {};
  }
  std::size_t letter = kLetters.find(peek());
  if (letter == std::string_view::npos) return unexpected("in string escape code");
  out += kMeaning[letter];
  ++at_;
  return {};
}

// The four digits after `u`.
Result<char32_t> JsonParser::hexadecimal() {
  ++at_;
  char32_t rune = 0;
  for (int i = 0; i < 4; ++i) {
    static constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
    std::size_t digit = at_end() ? std::string_view::npos : kDigits.find(peek());
    if (digit == std::string_view::npos) return unexpected("in \\u hexadecimal character escape");
    rune = rune << 4 | static_cast<char32_t>(digit % 16);
    ++at_;
  }
  return rune;
}

// A pair makes one character; a half alone is replaced.
Result<void> JsonParser::surrogate(char32_t first, std::string& out) {
  std::size_t back = at_;
  if (first < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
    ++at_;
    STEEPLE_TRY(second, hexadecimal());
    if (second >= 0xDC00 && second <= 0xDFFF) {
      append_utf8(out, 0x10000 + ((first - 0xD800) << 10 | (second - 0xDC00)));
      return {};
    }
    at_ = back;  // read again, for itself
  }
  out += kReplacement;
  return {};
}

Result<void> JsonParser::digits(std::string_view context) {
  if (at_end() || !is_digit(peek())) return unexpected(context);
  while (!at_end() && is_digit(peek())) ++at_;
  return {};
}

Result<JsonValue> JsonParser::number() {
  std::size_t begin = at_;
  if (next_is('-')) ++at_;
  if (next_is('0')) {
    ++at_;
  } else {
    STEEPLE_CHECK(digits("in numeric literal"));
  }
  if (next_is('.')) {
    ++at_;
    STEEPLE_CHECK(digits("after decimal point in numeric literal"));
  }
  if (next_is('e') || next_is('E')) {
    ++at_;
    if (next_is('+') || next_is('-')) ++at_;
    STEEPLE_CHECK(digits("in exponent of numeric literal"));
  }
  return JsonValue(JsonNumber{std::string(text_.substr(begin, at_ - begin))});
}

Result<void> JsonParser::literal(std::string_view word) {
  for (std::size_t i = 0; i < word.size(); ++i, ++at_) {
    if (next_is(word[i])) continue;
    return unexpected(fmt::format("in literal {} (expecting {})", word, quoted_byte(word[i])));
  }
  return {};
}

}  // namespace steeple::agent
