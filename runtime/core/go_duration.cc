// Durations in Go's notation: the reader and the writer of go_text.h.
#include <fmt/format.h>

#include <array>
#include <iterator>
#include <limits>
#include <optional>

#include "runtime/core/go_text.h"

namespace steeple::runtime {
namespace {

constexpr std::uint64_t kTooBig = std::uint64_t{1} << 63;  // one more than the largest duration

struct Unit {
  std::string_view name;
  std::uint64_t nanoseconds;
};
constexpr std::array<Unit, 8> kUnits{{
    {"ns", 1},
    {"us", 1'000},
    {"\u00B5s", 1'000},  // micro sign
    {"\u03BCs", 1'000},  // Greek mu
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The quoting of Go's time package: everything beyond printable ASCII as \xHH.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte >= 0x80) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

Error invalid(std::string_view text) { return Error(ErrorCode::kMalformed, "time: invalid duration " + quoted(text)); }

std::optional<std::uint64_t> take_integer(std::string_view& text) {
  std::uint64_t value = 0;
  while (!text.empty() && is_digit(text.front())) {
    if (value > kTooBig / 10) return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(text.front() - '0');
    if (value > kTooBig) return std::nullopt;
    text.remove_prefix(1);
  }
  return value;
}

struct Fraction {
  std::uint64_t value = 0;
  double scale = 1;
};

// Digits that no longer fit are read over: they change nothing.
Fraction take_fraction(std::string_view& text) {
  Fraction fraction;
  bool full = false;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    if (full || fraction.value > (kTooBig - 1) / 10) {
      full = true;
      continue;
    }
    std::uint64_t next = fraction.value * 10 + static_cast<std::uint64_t>(text.front() - '0');
    if (next > kTooBig) {
      full = true;
      continue;
    }
    fraction.value = next;
    fraction.scale *= 10;
  }
  return fraction;
}

Result<std::uint64_t> take_unit(std::string_view& text, std::string_view whole) {
  std::size_t size = 0;
  while (size < text.size() && text[size] != '.' && !is_digit(text[size])) ++size;
  if (size == 0) return Error(ErrorCode::kMalformed, "time: missing unit in duration " + quoted(whole));
  std::string_view name = text.substr(0, size);
  text.remove_prefix(size);
  for (const Unit& unit : kUnits)
    if (unit.name == name) return unit.nanoseconds;
  return Error(ErrorCode::kMalformed, "time: unknown unit " + quoted(name) + " in duration " + quoted(whole));
}

// One "1.5h" of a duration such as "1.5h20m".
Result<std::uint64_t> take_term(std::string_view& text, std::string_view whole) {
  if (text.front() != '.' && !is_digit(text.front())) return invalid(whole);
  std::size_t before = text.size();
  std::optional<std::uint64_t> value = take_integer(text);
  if (!value) return invalid(whole);
  bool digits = text.size() != before;
  Fraction fraction;
  if (!text.empty() && text.front() == '.') {
    text.remove_prefix(1);
    before = text.size();
    fraction = take_fraction(text);
    digits = digits || text.size() != before;
  }
  if (!digits) return invalid(whole);
  STEEPLE_TRY(unit, take_unit(text, whole));
  if (*value > kTooBig / unit) return invalid(whole);
  *value *= unit;
  if (fraction.value > 0) {
    *value +=
        static_cast<std::uint64_t>(static_cast<double>(fraction.value) * (static_cast<double>(unit) / fraction.scale));
    if (*value > kTooBig) return invalid(whole);
  }
  return *value;
}

// Writes value/10^digits before `end`, without trailing zeros of the fraction.
char* write_fraction(char* end, std::uint64_t& value, int digits) {
  bool print = false;
  for (int i = 0; i < digits; ++i, value /= 10) {
    auto digit = static_cast<char>('0' + value % 10);
    print = print || digit != '0';
    if (print) *--end = digit;
  }
  if (print) *--end = '.';
  return end;
}

char* write_integer(char* end, std::uint64_t value) {
  do {
    *--end = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  return end;
}

std::string below_a_second(std::uint64_t value) {
  std::array<char, 32> buffer;
  char* end = buffer.data() + buffer.size();
  int digits = value < 1'000 ? 0 : value < 1'000'000 ? 3 : 6;
  std::string_view unit = digits == 0 ? "ns" : digits == 3 ? "\u00B5s" : "ms";
  char* begin = write_integer(write_fraction(end, value, digits), value);
  return std::string(begin, end).append(unit);
}

}  // namespace

Result<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  std::string_view rest = text;
  bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return std::chrono::nanoseconds::zero();
  if (rest.empty()) return invalid(text);
  std::uint64_t total = 0;
  while (!rest.empty()) {
    STEEPLE_TRY(term, take_term(rest, text));
    total += term;
    if (total > kTooBig) return invalid(text);
  }
  if (negative) return std::chrono::nanoseconds(static_cast<std::int64_t>(~total + 1));
  if (total >= kTooBig) return invalid(text);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(total));
}

std::string go_duration(std::chrono::nanoseconds duration) {
  bool negative = duration.count() < 0;
  auto value = static_cast<std::uint64_t>(duration.count());
  if (negative) value = ~value + 1;
  std::string sign = negative ? "-" : "";
  if (value == 0) return "0s";
  if (value < 1'000'000'000) return sign + below_a_second(value);
  std::array<char, 40> buffer;
  char* end = buffer.data() + buffer.size();
  char* at = end;
  *--at = 's';
  at = write_fraction(at, value, 9);
  at = write_integer(at, value % 60);
  if (value /= 60; value > 0) {
    *--at = 'm';
    at = write_integer(at, value % 60);
    if (value /= 60; value > 0) {
      *--at = 'h';
      at = write_integer(at, value);
    }
  }
  return sign + std::string(at, end);
}

}  // namespace steeple::runtime
