#include "runtime/tls/der.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace steeple::runtime::der {
namespace {

void append_header(Bytes& out, std::uint8_t tag, std::size_t size) {
  out.push_back(tag);
  if (size < 0x80) {
    out.push_back(static_cast<std::uint8_t>(size));
    return;
  }
  int octets = size > 0xffffff ? 4 : size > 0xffff ? 3 : size > 0xff ? 2 : 1;
  out.push_back(static_cast<std::uint8_t>(0x80 | octets));
  for (int i = octets - 1; i >= 0; --i) out.push_back(static_cast<std::uint8_t>(size >> (8 * i)));
}

bool is_printable(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view(" '()+,-./:=?").find(c) != std::string_view::npos;
}

}  // namespace

Bytes element(std::uint8_t tag, std::initializer_list<BytesView> parts) {
  std::size_t size = 0;
  for (BytesView part : parts) size += part.size();
  Bytes out;
  out.reserve(size + 6);
  append_header(out, tag, size);
  for (BytesView part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Bytes element(std::uint8_t tag, BytesView contents) { return element(tag, {contents}); }

Bytes integer(BytesView big_endian) {
  while (big_endian.size() > 1 && big_endian[0] == 0) big_endian = big_endian.subspan(1);
  static constexpr std::uint8_t kZero[] = {0};
  if (big_endian.empty()) return element(kInteger, BytesView(kZero));
  if (big_endian[0] & 0x80) return element(kInteger, {BytesView(kZero), big_endian});
  return element(kInteger, big_endian);
}

Bytes bit_string(BytesView bytes) {
  static constexpr std::uint8_t kUnusedBits[] = {0};
  return element(kBitString, {BytesView(kUnusedBits), bytes});
}

Bytes named_bits(unsigned bits_lsb_first) {
  Bytes contents{0};
  for (unsigned bit = 0; bit < 32 && (bits_lsb_first >> bit) != 0; ++bit) {
    if (bit % 8 == 0) contents.push_back(0);
    if ((bits_lsb_first >> bit) & 1) contents.back() |= static_cast<std::uint8_t>(0x80 >> (bit % 8));
    contents[0] = static_cast<std::uint8_t>(7 - bit % 8);
  }
  return element(kBitString, contents);
}

Bytes boolean_true() { return {0x01, 0x01, 0xff}; }

Bytes text(std::string_view value) {
  bool printable = std::all_of(value.begin(), value.end(), is_printable);
  return element(printable ? kPrintableString : kUtf8String, as_bytes(value));
}

Bytes time(WallTime time) {
  namespace chrono = std::chrono;
  auto second = chrono::floor<chrono::seconds>(time);
  auto day = chrono::floor<chrono::days>(second);
  chrono::year_month_day date(day);
  chrono::hh_mm_ss clock(second - day);
  int year = static_cast<int>(date.year());
  std::string rest =
      fmt::format("{:02}{:02}{:02}{:02}{:02}Z", static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  if (year >= 1950 && year < 2050) return element(kUtcTime, as_bytes(fmt::format("{:02}{}", year % 100, rest)));
  return element(kGeneralizedTime, as_bytes(fmt::format("{:04}{}", year, rest)));
}

Result<std::size_t> first_element_size(BytesView bytes) {
  Error malformed(ErrorCode::kMalformed, "not a whole DER element");
  if (bytes.size() < 2) return malformed;
  std::size_t octets = 0;
  std::size_t size = bytes[1];
  if (size & 0x80) {
    octets = size & 0x7f;
    if (octets == 0 || octets > 4 || bytes.size() < 2 + octets) return malformed;
    size = 0;
    for (std::size_t i = 0; i < octets; ++i) size = size << 8 | bytes[2 + i];
  }
  if (size > bytes.size() - 2 - octets) return malformed;
  return 2 + octets + size;
}

}  // namespace steeple::runtime::der
