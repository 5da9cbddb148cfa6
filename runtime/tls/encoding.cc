#include "runtime/tls/encoding.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "runtime/core/assert.h"

namespace steeple::runtime {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> reverse(std::string_view alphabet) {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<std::uint8_t>(alphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}
constexpr auto kStandardReverse = reverse(kStandard);
constexpr auto kUrlReverse = reverse(kUrl);

std::string encode(BytesView bytes, std::string_view alphabet, bool padded) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned group = static_cast<unsigned>(bytes[i]) << 16;
    if (count > 1) group |= static_cast<unsigned>(bytes[i + 1]) << 8;
    if (count > 2) group |= bytes[i + 2];
    for (std::size_t digit = 0; digit < 4; ++digit) {
      if (digit <= count) {
        out += alphabet[group >> (18 - 6 * digit) & 63];
      } else if (padded) {
        out += '=';
      }
    }
  }
  return out;
}

Error illegal(std::size_t at) {
  return Error(ErrorCode::kMalformed, "illegal base64 data at input byte " + std::to_string(at));
}

Result<Bytes> decode(std::string_view text, const std::array<std::int8_t, 256>& digits, bool padded) {
  Bytes out;
  out.reserve(text.size() / 4 * 3 + 3);
  unsigned group = 0;
  int count = 0;
  int padding = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\n' || c == '\r') continue;
    if (c == '=' && padded && count + padding >= 2 && count + padding < 4 && padding < 2) {
      ++padding;
      continue;
    }
    int digit = digits[static_cast<std::uint8_t>(c)];
    if (digit < 0 || padding > 0) return illegal(i);
    group = group << 6 | static_cast<unsigned>(digit);
    if (++count == 4) {
      for (int shift : {16, 8, 0}) out.push_back(static_cast<std::uint8_t>(group >> shift));
      group = 0;
      count = 0;
    }
  }
  bool cut = count == 1 || (padded && count != 0 && count + padding != 4);
  if (cut) return illegal(padding > 0 ? text.size() : text.size() - static_cast<std::size_t>(count));
  if (count >= 2) out.push_back(static_cast<std::uint8_t>(group >> (6 * count - 8)));
  if (count == 3) out.push_back(static_cast<std::uint8_t>(group >> 2));
  return out;
}

}  // namespace

std::array<std::uint8_t, 20> sha1(BytesView bytes) {
  std::array<std::uint8_t, 20> digest;
  SHA1(bytes.data(), bytes.size(), digest.data());
  return digest;
}

std::array<std::uint8_t, 32> sha256(BytesView bytes) {
  std::array<std::uint8_t, 32> digest;
  SHA256(bytes.data(), bytes.size(), digest.data());
  return digest;
}

std::array<std::uint8_t, 64> sha512(BytesView bytes) {
  std::array<std::uint8_t, 64> digest;
  SHA512(bytes.data(), bytes.size(), digest.data());
  return digest;
}

void random_bytes(std::span<std::uint8_t> out) {
  STEEPLE_ASSERT(RAND_bytes(out.data(), static_cast<int>(out.size())) == 1);
}

std::string to_hex(BytesView bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

Result<Bytes> hex_decode(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (text.size() % 2 != 0) return Error(ErrorCode::kMalformed, "encoding/hex: odd length hex string");
  Bytes out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) return Error(ErrorCode::kMalformed, "encoding/hex: invalid byte");
    out.push_back(static_cast<std::uint8_t>(high << 4 | low));
  }
  return out;
}

std::string base64_encode(BytesView bytes) { return encode(bytes, kStandard, true); }
std::string base64url_encode(BytesView bytes) { return encode(bytes, kUrl, false); }
Result<Bytes> base64_decode(std::string_view text) { return decode(text, kStandardReverse, true); }
Result<Bytes> base64url_decode(std::string_view text) { return decode(text, kUrlReverse, false); }

}  // namespace steeple::runtime
