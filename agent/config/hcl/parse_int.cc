#include "agent/config/hcl/parse_int.h"

#include <charconv>
#include <string>

namespace steeple::agent::hcl {
namespace {

using runtime::Error;
using runtime::ErrorCode;

Error invalid_syntax() { return Error(ErrorCode::kMalformed, "invalid syntax"); }
Error out_of_range() { return Error(ErrorCode::kLimit, "value out of range"); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Takes the prefix off and says the base.
int take_base(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') return 10;
  if (digits.size() >= 3) {
    const char mark = lower(digits[1]);
    const int base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (base != 0) {
      digits.remove_prefix(2);
      return base;
    }
  }
  digits.remove_prefix(1);
  return 8;
}

// Underscores may stand between digits, and between a base's prefix and the first digit.
bool drop_underscores(std::string_view digits, bool after_prefix, std::string& out) {
  bool digit_before = after_prefix;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (digits[i] != '_') {
      out.push_back(digits[i]);
      digit_before = true;
      continue;
    }
    if (!digit_before || i + 1 == digits.size()) return false;
    digit_before = false;
  }
  return true;
}

}  // namespace

runtime::Result<std::int64_t> parse_int_any_base(std::string_view text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const std::size_t before = digits.size();
  const int base = take_base(digits);
  std::string plain;
  if (!drop_underscores(digits, digits.size() != before, plain) || plain.empty()) return invalid_syntax();
  std::uint64_t magnitude = 0;
  const auto [end, code] = std::from_chars(plain.data(), plain.data() + plain.size(), magnitude, base);
  if (end != plain.data() + plain.size() || code == std::errc::invalid_argument) return invalid_syntax();
  const std::uint64_t bound = (std::uint64_t{1} << 63) - (negative ? 0 : 1);
  if (code == std::errc::result_out_of_range || magnitude > bound) return out_of_range();
  return static_cast<std::int64_t>(negative ? ~magnitude + 1 : magnitude);
}

}  // namespace steeple::agent::hcl
