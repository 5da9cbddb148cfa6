#include "agent/config/hcl/char_reader.h"

namespace steeple::agent::hcl {

DecodedCharacter decode_utf8(std::string_view text) {
  if (text.empty()) return {};
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const DecodedCharacter bad{kBadCharacter, 1};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return bad;
  char32_t c = lead & (0xFF >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return bad;
    c = (c << 6) | (byte(i) & 0x3F);
  }
  const bool overlong = (size == 3 && c < 0x800) || (size == 4 && c < 0x10000);
  if (overlong || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return bad;
  return {c, size};
}

void append_utf8(std::string& out, char32_t c) {
  if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) c = kBadCharacter;
  const auto put = [&out](char32_t bits) { out.push_back(static_cast<char>(bits)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

char32_t CharReader::next() {
  const DecodedCharacter read = decode_utf8(text_.substr(offset_));
  previous_ = position_;
  last_size_ = read.size;
  offset_ += read.size;
  ++position_.column;
  if (read.size == 0) return kEndOfText;
  if (read.character == kBadCharacter && read.size == 1) {
    fail("illegal UTF-8 encoding");
    return kBadCharacter;
  }
  if (read.character == '\n') {
    ++position_.line;
    last_line_columns_ = position_.column;
    position_.column = 0;
  }
  if (read.character == 0) fail("unexpected null character (0x00)");
  if (read.character == 0xE123) {
    fail("unicode code point U+E123 reserved for internal use");
    return kBadCharacter;
  }
  return read.character;
}

void CharReader::put_back() {
  offset_ -= last_size_;
  position_ = previous_;
}

char32_t CharReader::peek() const { return decode_utf8(text_.substr(offset_)).character; }

Position CharReader::last_position() const {
  if (position_.column > 0) return position_;
  return Position{position_.line - 1, last_line_columns_};
}

void CharReader::fail(std::string_view what) { fail_at(last_position(), what); }

void CharReader::fail_at(Position position, std::string_view what) {
  error_ = what;
  error_position_ = position;
}

// Beyond ASCII only the blocks that hold no letters are told apart: no key has such a character, so that the
// distinction only decides which error is reported.
bool is_letter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  if (c < 0xC0) return c == 0xAA || c == 0xB5 || c == 0xBA;
  if (c == 0xD7 || c == 0xF7) return false;
  const bool punctuation = (c >= 0x2000 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x3004) || (c >= 0xFE00 && c <= 0xFE6F);
  const bool other = (c >= 0xE000 && c <= 0xF8FF) || c >= 0xFEFF;
  return !punctuation && !(other && c < 0x10000);
}

bool is_decimal(char32_t c) { return c >= '0' && c <= '9'; }
bool is_hexadecimal(char32_t c) { return digit_value(c) < 16; }
bool is_blank(char32_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool is_unicode_space(char32_t c) {
  return is_blank(c) || c == '\v' || c == '\f' || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

int digit_value(char32_t c) {
  if (is_decimal(c)) return static_cast<int>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<int>(c - 'a') + 10;
  if (c >= 'A' && c <= 'F') return static_cast<int>(c - 'A') + 10;
  return 16;
}

void scan_digits(CharReader& in) {
  while (is_decimal(in.peek())) in.next();
}

namespace {

// After "e" or "E".
void scan_exponent(CharReader& in) {
  if (in.peek() == '-' || in.peek() == '+') in.next();
  scan_digits(in);
}

// What may follow the digits of a number: ".5", "e4". Reads one character too far at the end of a whole number, as the
// positions of later errors depend on it.
TokenKind scan_number_tail(CharReader& in, char32_t c) {
  if (c == '.') {
    scan_digits(in);
    if (in.peek() == 'e' || in.peek() == 'E') {
      in.next();
      scan_exponent(in);
    }
    return TokenKind::kFloat;
  }
  if (c == 'e' || c == 'E') {
    scan_exponent(in);
    return TokenKind::kFloat;
  }
  return TokenKind::kNumber;
}

}  // namespace

TokenKind scan_after_period(CharReader& in) {
  if (!is_decimal(in.peek())) return TokenKind::kPeriod;
  scan_digits(in);
  if (in.peek() == 'e' || in.peek() == 'E') {
    in.next();
    scan_exponent(in);
  }
  return TokenKind::kFloat;
}

TokenKind scan_hcl_number(CharReader& in, char32_t first) {
  char32_t c = in.next();
  if (first == '0' && (c == 'x' || c == 'X')) {
    c = in.next();
    if (!is_hexadecimal(c)) in.fail("illegal hexadecimal number");
    while (is_hexadecimal(c)) c = in.next();
    if (c != kEndOfText) in.put_back();
    return TokenKind::kNumber;
  }
  bool bad_octal = false;
  while (is_decimal(c)) {
    bad_octal = bad_octal || c == '8' || c == '9';
    c = in.next();
  }
  const TokenKind kind = scan_number_tail(in, c);
  if (kind == TokenKind::kFloat) return kind;
  if (first == '0' && bad_octal) in.fail("illegal octal number");
  if (c != kEndOfText) in.put_back();
  return kind;
}

TokenKind scan_json_number(CharReader& in, char32_t first) {
  char32_t c = in.next();
  if (first == '0' && is_decimal(c)) in.fail("numbers cannot start with 0");
  while (is_decimal(c)) c = in.next();
  const TokenKind kind = scan_number_tail(in, c);
  if (kind == TokenKind::kNumber && c != kEndOfText) in.put_back();
  return kind;
}

namespace {

constexpr std::string_view kBadEscape = "illegal char escape";

// COUNT digits of BASE; what follows them is left unread.
char32_t scan_code(CharReader& in, char32_t c, int base, int count) {
  char32_t value = 0;
  for (; count > 0 && digit_value(c) < base; --count) {
    value = value * static_cast<char32_t>(base) + static_cast<char32_t>(digit_value(c));
    c = in.next();
  }
  if (count > 0) in.fail(kBadEscape);
  if (c != kEndOfText) in.put_back();
  return value;
}

// The second half of a pair written as two \u escapes, which only JSON writers do.
char32_t join_surrogates(CharReader& in, char32_t high) {
  const std::string_view rest = in.text().substr(in.offset(), 2);
  if (rest != "\\u") return kBadCharacter;
  in.next();
  in.next();
  const char32_t low = scan_code(in, in.next(), 16, 4);
  if (low < 0xDC00 || low > 0xDFFF) return kBadCharacter;
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

void scan_escape(CharReader& in, bool interpolation, std::string& out) {
  static constexpr std::string_view kLetters = "abfnrtv\\\"";
  static constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"";
  const char32_t c = in.next();
  if (c < 0x80 && c != 0) {
    if (const auto at = kLetters.find(static_cast<char>(c)); at != std::string_view::npos) {
      out.push_back(kMeanings[at]);
      return;
    }
  }
  if (digit_value(c) < 8) {
    const char32_t value = scan_code(in, c, 8, 3);
    if (value > 255) in.fail(kBadEscape);
    out.push_back(static_cast<char>(value));
  } else if (c == 'x') {
    out.push_back(static_cast<char>(scan_code(in, in.next(), 16, 2)));
  } else if (c == 'u') {
    char32_t value = scan_code(in, in.next(), 16, 4);
    if (!interpolation && value >= 0xD800 && value <= 0xDBFF) value = join_surrogates(in, value);
    append_utf8(out, value);
  } else if (c == 'U') {
    const char32_t value = scan_code(in, in.next(), 16, 8);
    if (value > 0x10FFFF) in.fail(kBadEscape);
    append_utf8(out, value);
  } else {
    in.fail(kBadEscape);
  }
}

}  // namespace

std::string scan_quoted(CharReader& in, bool interpolation) {
  std::string out;
  int braces = 0;
  for (;;) {
    const char32_t c = in.next();
    if (c == kEndOfText || (c == '\n' && braces == 0)) {
      in.fail("literal not terminated");
      return out;
    }
    if (c == '"' && braces == 0) return out;
    if (c == '\\') {
      std::string meaning;
      const std::size_t from = in.offset() - 1;
      scan_escape(in, interpolation, meaning);
      out += braces == 0 ? meaning : std::string(in.text().substr(from, in.offset() - from));
      continue;
    }
    append_utf8(out, c);
    if (interpolation && braces == 0 && c == '$' && in.peek() == '{') {
      in.next();
      out.push_back('{');
      braces = 1;
    } else if (braces > 0 && c == '{') {
      ++braces;
    } else if (braces > 0 && c == '}') {
      --braces;
    }
  }
}

}  // namespace steeple::agent::hcl
