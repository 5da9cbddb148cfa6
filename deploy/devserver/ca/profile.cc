#include "deploy/devserver/ca/profile.h"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "runtime/core/assert.h"
#include "runtime/tls/encoding.h"

namespace steeple::devserver {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Certificate;
using runtime::Result;
using Attribute = runtime::NameAttribute::Type;

template <std::size_t N>
std::array<std::uint8_t, N> random_bytes() {
  std::array<std::uint8_t, N> bytes;
  STEEPLE_ASSERT(RAND_bytes(bytes.data(), static_cast<int>(N)) == 1);
  return bytes;
}

std::string base64url(BytesView bytes) {
  std::string text = runtime::base64_encode(bytes);
  while (!text.empty() && text.back() == '=') text.pop_back();
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

std::string json_quote(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      quoted += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

// JWS wants r and s side by side, each as long as the curve's order.
Result<Bytes> es256(const runtime::PrivateKey& key, std::string_view input) {
  STEEPLE_TRY(der, key.sign(runtime::SignatureScheme::kEcdsaSha256, runtime::as_bytes(input)));
  STEEPLE_TRY(parts, runtime::split_ecdsa_signature(der));
  Bytes joined(64, 0);
  std::copy(parts.r.begin(), parts.r.end(), joined.begin() + static_cast<std::ptrdiff_t>(32 - parts.r.size()));
  std::copy(parts.s.begin(), parts.s.end(), joined.begin() + static_cast<std::ptrdiff_t>(64 - parts.s.size()));
  return joined;
}

}  // namespace

Result<Certificate> make_authority(const runtime::PrivateKey& key, const std::string& trust_domain_id,
                                   std::chrono::seconds ttl, runtime::WallTime now, const AuthoritySubject& subject) {
  runtime::CertificateTemplate wanted;
  wanted.serial = runtime::random_serial();
  wanted.not_before = now - kBackdate;
  wanted.not_after = now + ttl;
  for (const std::string& country : subject.country) wanted.subject.push_back({Attribute::kCountry, country});
  for (const std::string& name : subject.organization) wanted.subject.push_back({Attribute::kOrganization, name});
  if (!subject.common_name.empty()) wanted.subject.push_back({Attribute::kCommonName, subject.common_name});
  wanted.subject.push_back({Attribute::kSerialNumber, decimal_of(wanted.serial)});
  wanted.uri_sans = {trust_domain_id};
  wanted.is_ca = true;
  wanted.key_usage = runtime::kKeyCertSign | runtime::kCrlSign;
  wanted.public_key = key.public_key();
  return runtime::sign_certificate(wanted, key, nullptr);
}

Result<Certificate> sign_svid(const X509Issuer& issuer, const SvidRequest& request, runtime::WallTime now) {
  runtime::CertificateTemplate wanted;
  wanted.serial = runtime::random_serial();
  wanted.not_before = now - kBackdate;
  wanted.not_after = std::min(now + request.ttl, issuer.certificate.not_after());
  wanted.subject = {{Attribute::kCountry, "US"}, {Attribute::kOrganization, "SPIRE"}};
  if (!request.dns_names.empty()) wanted.subject.push_back({Attribute::kCommonName, request.dns_names.front()});
  wanted.uri_sans = {request.spiffe_id};
  wanted.dns_sans = request.dns_names;
  wanted.key_usage = runtime::kDigitalSignature | runtime::kKeyEncipherment | runtime::kKeyAgreement;
  wanted.server_and_client_auth = true;
  wanted.public_key = request.public_key;
  return runtime::sign_certificate(wanted, issuer.key, &issuer.certificate);
}

Result<std::string> sign_jwt(const runtime::PrivateKey& key, const std::string& key_id, const JwtRequest& request) {
  std::string header = fmt::format(R"({{"alg":"ES256","kid":{},"typ":"JWT"}})", json_quote(key_id));
  std::string audience;
  for (const std::string& name : request.audience) audience += (audience.empty() ? "" : ",") + json_quote(name);
  std::string claims =
      fmt::format(R"({{"aud":[{}],"exp":{},"iat":{})", audience, request.expires_at, request.issued_at);
  if (request.with_jti) claims += fmt::format(R"(,"jti":"{}")", base64url(random_bytes<16>()));
  claims += fmt::format(R"(,"sub":{}}})", json_quote(request.spiffe_id));
  std::string input = base64url(runtime::as_bytes(header)) + "." + base64url(runtime::as_bytes(claims));
  STEEPLE_TRY(signature, es256(key, input));
  return input + "." + base64url(signature);
}

std::string random_key_id() {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  constexpr std::size_t kUnbiasedBelow = 256 - 256 % kAlphabet.size();
  std::string id;
  while (id.size() < 32) {
    for (std::uint8_t byte : random_bytes<32>()) {
      if (byte < kUnbiasedBelow && id.size() < 32) id += kAlphabet[byte % kAlphabet.size()];
    }
  }
  return id;
}

std::string random_uuid() {
  auto bytes = random_bytes<16>();
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  std::string hex = runtime::to_hex(bytes);
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4), hex.substr(16, 4),
                     hex.substr(20));
}

std::string decimal_of(BytesView big_endian) {
  Bytes number = runtime::to_bytes(big_endian);
  std::string digits;
  while (std::any_of(number.begin(), number.end(), [](std::uint8_t byte) { return byte != 0; })) {
    unsigned remainder = 0;
    for (std::uint8_t& byte : number) {
      unsigned value = remainder * 256 + byte;
      byte = static_cast<std::uint8_t>(value / 10);
      remainder = value % 10;
    }
    digits += static_cast<char>('0' + remainder);
  }
  std::reverse(digits.begin(), digits.end());
  return digits.empty() ? "0" : digits;
}

std::int64_t unix_seconds(runtime::WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

}  // namespace steeple::devserver
