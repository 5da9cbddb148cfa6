#include "runtime/core/go_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <iterator>

namespace steeple::runtime {
namespace {

struct Rune {
  char32_t value;
  std::size_t size;  // bytes taken; 1 and kInvalid for a byte that is not UTF-8
};
constexpr char32_t kInvalid = 0xFFFFFFFF;

// One strict UTF-8 sequence at the start of `text`: no overlong forms, no surrogates.
Rune next_rune(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return {kInvalid, 1};
  char32_t value = first & (0x7F >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {kInvalid, 1};
    value = value << 6 | (byte(i) & 0x3F);
  }
  bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (overlong || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {kInvalid, 1};
  return {value, size};
}

// Spaces other than U+0020, format and control characters, private use: what Go's IsPrint refuses and what could
// disturb a log reader's terminal. Code points that are merely unassigned inside the assigned planes count as
// printable.
bool is_printable(char32_t rune) {
  static constexpr std::array<std::pair<char32_t, char32_t>, 28> kHidden{{
      {0x0000, 0x001F},   {0x007F, 0x00A0},   {0x00AD, 0x00AD},   {0x0600, 0x0605},   {0x061C, 0x061C},
      {0x06DD, 0x06DD},   {0x070F, 0x070F},   {0x0890, 0x0891},   {0x08E2, 0x08E2},   {0x1680, 0x1680},
      {0x180E, 0x180E},   {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F},   {0x3000, 0x3000},
      {0xD800, 0xF8FF},   {0xFDD0, 0xFDEF},   {0xFEFF, 0xFEFF},   {0xFFF0, 0xFFFB},   {0xFFFE, 0xFFFF},
      {0x110BD, 0x110BD}, {0x110CD, 0x110CD}, {0x13430, 0x1343F}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A},
      {0x1FFFE, 0x1FFFF}, {0x2FFFE, 0x2FFFF}, {0x323B0, 0xE00FF},
  }};
  if (rune >= 0xE01F0) return false;
  for (auto [low, high] : kHidden)
    if (rune >= low && rune <= high) return false;
  return true;
}

void append_escaped(std::string& out, Rune rune, unsigned char raw) {
  auto to = std::back_inserter(out);
  if (rune.value == kInvalid) {
    fmt::format_to(to, "\\x{:02x}", raw);
    return;
  }
  static constexpr std::string_view kNamed = "\a\b\f\n\r\t\v";
  static constexpr std::string_view kLetters = "abfnrtv";
  std::size_t named = rune.value < 0x20 ? kNamed.find(static_cast<char>(rune.value)) : std::string_view::npos;
  if (named != std::string_view::npos) {
    out += '\\';
    out += kLetters[named];
  } else if (rune.value < 0x20 || rune.value == 0x7F) {
    fmt::format_to(to, "\\x{:02x}", static_cast<unsigned>(rune.value));
  } else if (rune.value < 0x10000) {
    fmt::format_to(to, "\\u{:04x}", static_cast<unsigned>(rune.value));
  } else {
    fmt::format_to(to, "\\U{:08x}", static_cast<unsigned>(rune.value));
  }
}

struct WholeTime {
  std::tm parts;
  long nanoseconds;
};

WholeTime split_utc(WallTime time) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t since_epoch = std::chrono::nanoseconds(time.time_since_epoch()).count();
  std::time_t whole = since_epoch / kSecond;
  std::int64_t rest = since_epoch % kSecond;
  if (rest < 0) {  // the second before; that of WallTime::min() itself is none that nanoseconds can say
    rest += kSecond;
    --whole;
  }
  WholeTime split{};
  gmtime_r(&whole, &split.parts);
  split.nanoseconds = rest;
  return split;
}

std::string date_and_time(const std::tm& t, char between) {
  return fmt::format("{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, between,
                     t.tm_hour, t.tm_min, t.tm_sec);
}

}  // namespace

std::size_t utf8_sequence_size(std::string_view text) {
  if (text.empty()) return 0;
  Rune rune = next_rune(text);
  return rune.value == kInvalid ? 0 : rune.size;
}

std::string go_fraction(long nanoseconds) {
  if (nanoseconds == 0) return {};
  std::string text = fmt::format(".{:09}", nanoseconds);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

namespace {

// How many bytes at the front stand for themselves, as nearly all do.
std::size_t plain_size(std::string_view text) {
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_plain) - text.begin());
}

}  // namespace

std::string go_quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  out += '"';
  for (;;) {
    const std::size_t plain = plain_size(text);
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    Rune rune = next_rune(text);
    if (rune.value == '"' || rune.value == '\\') {
      out += '\\';
      out += text.front();
    } else if (rune.value != kInvalid && is_printable(rune.value)) {
      out.append(text.substr(0, rune.size));
    } else {
      append_escaped(out, rune, static_cast<unsigned char>(text.front()));
    }
    text.remove_prefix(rune.size);
  }
  out += '"';
  return out;
}

std::string prototext_quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const Rune rune = next_rune(text);
    const auto byte = static_cast<unsigned char>(text.front());
    if (text.front() == '"' || text.front() == '\\') {
      out += '\\';
      out += text.front();
    } else if (text.front() == '\n' || text.front() == '\r' || text.front() == '\t') {
      append_escaped(out, rune, byte);
    } else if (byte < ' ' || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (rune.value >= 0x80 && rune.value < 0xa0) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(rune.value));
    } else {
      out.append(text.substr(0, rune.size));
    }
    text.remove_prefix(rune.size);
  }
  return out + '"';
}

std::string go_quoted_list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) {
    if (out.size() > 1) out += ' ';
    out += go_quote(item);
  }
  return out + "]";
}

std::string rfc3339(WallTime time) { return date_and_time(split_utc(time).parts, 'T') + "Z"; }

std::string rfc3339_nano(WallTime time) {
  WholeTime split = split_utc(time);
  return date_and_time(split.parts, 'T') + go_fraction(split.nanoseconds) + "Z";
}

std::string go_time(WallTime time) {
  WholeTime split = split_utc(time);
  return date_and_time(split.parts, ' ') + go_fraction(split.nanoseconds) + " +0000 UTC";
}

std::string go_number(double value, double small, double large) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Inf" : "+Inf";
  double size = std::fabs(value);
  bool plain = value == 0 || (size >= small && size < large);
  char buffer[400];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value,
                           plain ? std::chars_format::fixed : std::chars_format::scientific);
  return std::string(buffer, end.ptr);
}

}  // namespace steeple::runtime
