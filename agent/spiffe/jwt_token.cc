#include "agent/spiffe/jwt_token.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/x509.h"

namespace steeple::agent {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::SignatureScheme;

namespace {

struct Algorithm {
  std::string_view name;
  SignatureScheme scheme;
  std::size_t coordinate_size = 0;  // of r and s; 0: RSA
};
// In the order in which the error names them.
constexpr std::array<Algorithm, 9> kAlgorithms{{{"ES256", SignatureScheme::kEcdsaSha256, 32},
                                                {"ES384", SignatureScheme::kEcdsaSha384, 48},
                                                {"ES512", SignatureScheme::kEcdsaSha512, 66},
                                                {"RS256", SignatureScheme::kRsaPkcs1Sha256},
                                                {"RS384", SignatureScheme::kRsaPkcs1Sha384},
                                                {"RS512", SignatureScheme::kRsaPkcs1Sha512},
                                                {"PS256", SignatureScheme::kRsaPssSha256},
                                                {"PS384", SignatureScheme::kRsaPssSha384},
                                                {"PS512", SignatureScheme::kRsaPssSha512}}};

const Algorithm* find_algorithm(std::string_view name) {
  auto found = std::find_if(kAlgorithms.begin(), kAlgorithms.end(),
                            [&](const Algorithm& algorithm) { return algorithm.name == name; });
  return found == kAlgorithms.end() ? nullptr : &*found;
}

Error malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

Error unexpected_algorithm(std::string_view name) {
  std::vector<std::string> expected;
  for (const Algorithm& algorithm : kAlgorithms) expected.emplace_back(algorithm.name);
  return malformed(fmt::format("unexpected signature algorithm {}; expected {}", runtime::go_quote(name),
                               runtime::go_quoted_list(expected)));
}

Error crypto_failure() {
  return Error(ErrorCode::kUnauthenticated, "go-jose/go-jose: error in cryptographic primitive");
}

Error unreadable(std::string_view what, const Error& cause, std::string_view raw) {
  return malformed(fmt::format("failed to unmarshal {}: {}: {}", what, cause.message(), runtime::go_quote(raw)));
}

Result<std::string> text_of(const JsonValue& value) {
  if (const std::string* text = value.text()) return *text;
  return wrong_json_type(value, "string");
}

Result<void> check_certificates(const JsonValue& value) {
  if (value.array() == nullptr) return wrong_json_type(value, "[]string");
  for (const JsonValue& item : *value.array()) {
    STEEPLE_TRY(text, text_of(item));
    STEEPLE_TRY(der, runtime::base64_decode(text));
    STEEPLE_TRY(certificate, runtime::Certificate::parse(der));
    static_cast<void>(certificate);
  }
  return {};
}

// Only a public key may be embedded; it is not used.
Result<void> check_embedded_key(const JsonValue& value, std::string_view raw) {
  auto refused = [&](std::string text) { return unreadable("JWK", malformed(std::move(text)), raw); };
  if (value.object() == nullptr) return unreadable("JWK", wrong_json_type(value, "jose.rawJSONWebKey"), raw);
  const JsonValue* type = find_member(value, "kty");
  const std::string* name = type ? type->text() : nullptr;
  if (name == nullptr || name->empty()) return refused("go-jose/go-jose: missing json web key type");
  if (*name != "EC" && *name != "RSA" && *name != "OKP" && *name != "oct") {
    return refused("go-jose/go-jose: unsupported key type/format");
  }
  if (*name == "oct" || find_member(value, "d") != nullptr) {
    return malformed("go-jose/go-jose: invalid embedded jwk, must be public key");
  }
  return {};
}

Result<void> check_critical(const JsonValue& value) {
  if (value.array() == nullptr) return wrong_json_type(value, "[]string");
  for (const JsonValue& item : *value.array()) {
    STEEPLE_TRY(name, text_of(item));
    if (name != "b64") return malformed("go-jose/go-jose: unsupported critical header");
  }
  return {};
}

Result<std::array<Bytes, 3>> decode_parts(std::string_view token) {
  if (token.size() > kJwtSizeMax) return Error(ErrorCode::kLimit, fmt::format("larger than {} bytes", kJwtSizeMax));
  std::size_t first = token.find('.');
  std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return malformed("go-jose/go-jose: compact JWS format must have three parts");
  }
  std::array<Bytes, 3> parts;
  STEEPLE_TRY(header, runtime::base64url_decode(token.substr(0, first)));
  STEEPLE_TRY(payload, runtime::base64url_decode(token.substr(first + 1, second - first - 1)));
  STEEPLE_TRY(signature, runtime::base64url_decode(token.substr(second + 1)));
  parts[0] = std::move(header);
  parts[1] = std::move(payload);
  parts[2] = std::move(signature);
  return parts;
}

}  // namespace

Result<JwtToken> JwtToken::parse(std::string_view token) {
  STEEPLE_TRY(parts, decode_parts(token));
  JwtToken read;
  read.header_ = std::move(parts[0]);
  read.payload_ = std::move(parts[1]);
  read.signature_ = std::move(parts[2]);
  STEEPLE_CHECK(read.read_header(runtime::as_text(read.header_)));
  if (find_algorithm(read.algorithm_) == nullptr) return unexpected_algorithm(read.algorithm_);
  return read;
}

Result<void> JwtToken::read_header(std::string_view json) {
  if (json.empty()) return {};
  STEEPLE_TRY(text, parse_json(json));
  if (text.root.is_null()) return {};
  if (text.root.object() == nullptr) return wrong_json_type(text.root, "jose.rawHeader");
  const JsonValue::Object& members = *text.root.object();
  if (text.duplicate_member) return duplicate_name(members[*text.duplicate_member].name);
  if (text.duplicate_below) return duplicate_name(*text.duplicate_below);
  for (const JsonMember& member : members) {
    if (member.value.is_null()) continue;
    STEEPLE_CHECK(read_member(member, json.substr(member.begin, member.end - member.begin)));
  }
  return {};
}

Result<void> JwtToken::read_member(const JsonMember& member, std::string_view raw) {
  if (member.name == "alg" || member.name == "kid" || member.name == "nonce") {
    Result<std::string> text = text_of(member.value);
    std::string_view what = member.name == "alg" ? "algorithm" : member.name == "kid" ? "key ID" : "nonce";
    if (!text) return unreadable(what, text.error(), raw);
    if (member.name == "alg") algorithm_ = std::move(*text);
    if (member.name == "kid") key_id_ = std::move(*text);
  } else if (member.name == "jwk") {
    return check_embedded_key(member.value, raw);
  } else if (member.name == "x5c") {
    if (Result<void> ok = check_certificates(member.value); !ok) return unreadable("x5c header", ok.error(), raw);
  } else if (member.name == "crit") {
    if (Result<void> ok = check_critical(member.value); !ok) critical_refused_ = std::move(ok.error());
  } else if (member.name == "b64") {
    unusable_ = member.value.boolean() == nullptr;
    payload_plain_ = !unusable_ && !*member.value.boolean();
  }
  return {};
}

// EVP takes ECDSA signatures as DER; a JWS has the two numbers side by side.
Result<Bytes> JwtToken::signature_der() const {
  std::size_t size = find_algorithm(algorithm_)->coordinate_size;
  if (size == 0) return signature_;
  if (signature_.size() != 2 * size) return crypto_failure();
  auto number = [&](std::size_t from) {
    auto begin = signature_.begin() + static_cast<std::ptrdiff_t>(from);
    auto end = begin + static_cast<std::ptrdiff_t>(size);
    return Bytes(std::find_if(begin, end, [](std::uint8_t byte) { return byte != 0; }), end);
  };
  return runtime::join_ecdsa_signature({number(0), number(size)});
}

Result<void> JwtToken::verify(BytesView spki) const {
  if (critical_refused_) return *critical_refused_;
  Result<Bytes> signature = signature_der();
  if (unusable_ || !signature) return crypto_failure();
  std::string signed_text = runtime::base64url_encode(header_);
  signed_text += '.';
  signed_text += payload_plain_ ? runtime::to_text(payload_) : runtime::base64url_encode(payload_);
  SignatureScheme scheme = find_algorithm(algorithm_)->scheme;
  Result<void> verified = runtime::verify_signature(spki, scheme, runtime::as_bytes(signed_text), *signature);
  if (!verified) return crypto_failure();
  return {};
}

}  // namespace steeple::agent
