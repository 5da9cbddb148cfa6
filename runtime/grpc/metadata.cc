#include "runtime/grpc/metadata.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

#include "runtime/core/go_text.h"

namespace steeple::runtime::grpc {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kHexDigits = "0123456789ABCDEF";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::size_t kTimeoutTextMax = 9;                 // 8 digits and a unit

std::optional<std::chrono::nanoseconds> timeout_unit(char unit) {
  switch (unit) {
    case 'H':
      return std::chrono::hours(1);
    case 'M':
      return std::chrono::minutes(1);
    case 'S':
      return std::chrono::seconds(1);
    case 'm':
      return std::chrono::milliseconds(1);
    case 'u':
      return std::chrono::microseconds(1);
    case 'n':
      return std::chrono::nanoseconds(1);
    default:
      return std::nullopt;
  }
}

Error malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

bool is_plain(char c) { return c >= ' ' && c <= '~' && c != '%'; }

void append_escaped(std::string& out, std::string_view bytes) {
  for (char c : bytes) {
    auto byte = static_cast<std::uint8_t>(c);
    out += '%';
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 15];
  }
}

// Bytes of the UTF-8 sequence at the front; 0 when it is not valid (overlong, surrogate, truncated).
std::size_t utf8_size(std::string_view text) {
  auto byte = [&](std::size_t at) { return at < text.size() ? static_cast<std::uint8_t>(text[at]) : std::uint8_t{0}; };
  auto follows = [&](std::size_t at) { return (byte(at) & 0xC0) == 0x80; };
  std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!follows(1) || !follows(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (first < 0xF0 || first > 0xF4 || !follows(1) || !follows(2) || !follows(3)) return 0;
  if (first == 0xF0 && byte(1) < 0x90) return 0;
  if (first == 0xF4 && byte(1) > 0x8F) return 0;
  return 4;
}

int base64_value(char c) {
  static const std::array<std::int8_t, 256> kValues = [] {
    std::array<std::int8_t, 256> values{};
    values.fill(-1);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
      values[static_cast<std::uint8_t>(kAlphabet[i])] = static_cast<std::int8_t>(i);
    }
    return values;
  }();
  return kValues[static_cast<std::uint8_t>(c)];
}

}  // namespace

std::vector<std::string_view> Metadata::all(std::string_view key) const {
  std::vector<std::string_view> values;
  for (const auto& [name, value] : entries_) {
    if (name == key) values.push_back(value);
  }
  return values;
}

Result<std::chrono::nanoseconds> parse_grpc_timeout(std::string_view text) {
  if (text.size() < 2) return malformed(fmt::format("transport: timeout string is too short: {}", go_quote(text)));
  if (text.size() > kTimeoutTextMax)
    return malformed(fmt::format("transport: timeout string is too long: {}", go_quote(text)));
  auto unit = timeout_unit(text.back());
  if (!unit) return malformed(fmt::format("transport: timeout unit is not recognized: {}", go_quote(text)));
  std::string_view digits = text.substr(0, text.size() - 1);
  std::int64_t count = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.front() == '-') {
    return malformed(fmt::format("strconv.ParseUint: parsing {}: invalid syntax", go_quote(digits)));
  }
  if (count > std::numeric_limits<std::int64_t>::max() / unit->count()) return std::chrono::nanoseconds::max();
  return *unit * count;
}

std::string format_grpc_timeout(std::chrono::nanoseconds timeout) {
  constexpr std::int64_t kCountMax = 99'999'999;
  static constexpr std::pair<char, std::int64_t> kUnits[] = {
      {'n', 1}, {'u', 1'000}, {'m', 1'000'000}, {'S', 1'000'000'000}, {'M', 60'000'000'000}};
  std::int64_t left = std::max<std::int64_t>(timeout.count(), 0);
  for (auto [unit, size] : kUnits) {
    std::int64_t count = left / size + (left % size != 0);  // rounded up: never sooner than asked
    if (count <= kCountMax) return fmt::format("{}{}", count, unit);
  }
  std::int64_t hours = left / 3'600'000'000'000;
  return fmt::format("{}H", std::min(hours + 1, kCountMax));
}

std::string percent_encode(std::string_view message) {
  std::string out;
  out.reserve(message.size());
  while (!message.empty()) {
    std::size_t size = utf8_size(message);
    if (size == 1 && is_plain(message.front())) {
      out += message.front();
    } else {
      append_escaped(out, size == 0 ? kReplacement : message.substr(0, size));
    }
    message.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      int high = hex_value(text[i + 1]);
      int low = hex_value(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high << 4 | low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

std::string base64_encode(BytesView bytes, bool padded) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = std::uint32_t{bytes[i]} << 16;
    if (count > 1) group |= std::uint32_t{bytes[i + 1]} << 8;
    if (count > 2) group |= bytes[i + 2];
    for (std::size_t k = 0; k <= count; ++k) out += kAlphabet[group >> (18 - 6 * k) & 63];
    if (padded) out.append(3 - count, '=');
  }
  return out;
}

Result<Bytes> base64_decode(std::string_view text) {
  auto illegal = [](std::size_t at) { return malformed(fmt::format("illegal base64 data at input byte {}", at)); };
  std::size_t size = text.size();
  if (size % 4 == 0) {
    for (int padding = 0; padding < 2 && size > 0 && text[size - 1] == '='; ++padding) --size;
  }
  Bytes out;
  out.reserve(size / 4 * 3 + 2);
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < size; ++i) {
    int value = base64_value(text[i]);
    if (value < 0) return illegal(i);
    group = group << 6 | static_cast<std::uint32_t>(value);
    if (i % 4 == 3) {
      for (int shift : {16, 8, 0}) out.push_back(static_cast<std::uint8_t>(group >> shift));
      group = 0;
    }
  }
  if (size % 4 == 1) return illegal(size);
  if (size % 4 == 2) out.push_back(static_cast<std::uint8_t>(group >> 4));
  if (size % 4 == 3) {
    out.push_back(static_cast<std::uint8_t>(group >> 10));
    out.push_back(static_cast<std::uint8_t>(group >> 2));
  }
  return out;
}

}  // namespace steeple::runtime::grpc
