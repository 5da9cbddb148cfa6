#include "deploy/devserver/attestors/service_account.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

#include "agent/spiffe/jwt_token.h"
#include "runtime/tls/x509.h"

namespace steeple::devserver {
namespace {

using agent::JsonValue;
using runtime::Bytes;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }
Error malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

// PKCS#1 holds the numbers alone.
Result<Bytes> from_pkcs1(runtime::BytesView der) {
  const unsigned char* at = der.data();
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(
      d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(der.size())), EVP_PKEY_free);
  if (!key || at != der.data() + der.size()) return malformed("malformed RSA PUBLIC KEY block");
  unsigned char* out = nullptr;
  int size = i2d_PUBKEY(key.get(), &out);
  if (size <= 0) return malformed("malformed RSA PUBLIC KEY block");
  Bytes spki(out, out + size);
  OPENSSL_free(out);
  return spki;
}

// Nothing for a block of another type.
Result<Bytes> key_of(const runtime::PemBlock& block) {
  if (block.type == "PUBLIC KEY") return runtime::to_bytes(block.bytes.view());
  if (block.type == "RSA PUBLIC KEY") return from_pkcs1(block.bytes.view());
  if (block.type != "CERTIFICATE") return Bytes();
  STEEPLE_TRY(certificate, runtime::Certificate::parse(block.bytes.view()));
  return runtime::to_bytes(certificate.public_key());
}

// The text at the end of a path of names; empty when there is none.
Result<std::string> text_at(const JsonValue& claims, std::initializer_list<std::string_view> path) {
  const JsonValue* value = &claims;
  for (std::string_view name : path) {
    value = agent::find_member(*value, name);
    if (value == nullptr || value->is_null()) return std::string();
  }
  if (value->text() == nullptr) return malformed("a claim is not a string");
  return *value->text();
}

// Of the two places where a claim may stand, exactly one may be filled.
Result<std::string> one_of(std::string legacy, std::string nested, std::string_view what) {
  if (legacy.empty() && nested.empty()) return malformed("token missing " + std::string(what) + " claim");
  if (!legacy.empty() && !nested.empty()) {
    return malformed("malformed token: " + std::string(what) + " found in two claims");
  }
  return legacy.empty() ? std::move(nested) : std::move(legacy);
}

Result<ServiceAccount> account_of(const JsonValue& claims) {
  STEEPLE_TRY(legacy_space, text_at(claims, {"kubernetes.io/serviceaccount/namespace"}));
  STEEPLE_TRY(nested_space, text_at(claims, {"kubernetes.io", "namespace"}));
  STEEPLE_TRY(legacy_name, text_at(claims, {"kubernetes.io/serviceaccount/service-account.name"}));
  STEEPLE_TRY(nested_name, text_at(claims, {"kubernetes.io", "serviceaccount", "name"}));
  STEEPLE_TRY(name_space, one_of(std::move(legacy_space), std::move(nested_space), "namespace"));
  STEEPLE_TRY(name, one_of(std::move(legacy_name), std::move(nested_name), "service account name"));
  return ServiceAccount{std::move(name_space), std::move(name)};
}

Result<std::optional<double>> date_at(const JsonValue& claims, std::string_view name) {
  const JsonValue* value = agent::find_member(claims, name);
  if (value == nullptr || value->is_null()) return std::optional<double>();
  if (value->number() == nullptr) return malformed("expected number value to unmarshal NumericDate");
  STEEPLE_TRY(seconds, value->number()->to_double());
  return std::optional(seconds);
}

// A token without `exp` never expires: that of a Secret.
Result<void> check_times(const JsonValue& claims, runtime::WallTime now) {
  STEEPLE_TRY(expiry, date_at(claims, "exp"));
  STEEPLE_TRY(not_before, date_at(claims, "nbf"));
  STEEPLE_TRY(issued, date_at(claims, "iat"));
  if (!expiry || *expiry == 0) return {};
  const double seconds = std::chrono::duration<double>(now.time_since_epoch()).count();
  const double leeway = std::chrono::duration<double>(kTokenLeeway).count();
  auto refused = [](const char* why) {
    return malformed(std::string("go-jose/go-jose/jwt: validation failed, token ") + why);
  };
  if (not_before && seconds + leeway < *not_before) return refused("not valid yet (nbf)");
  if (seconds - leeway > *expiry) return refused("is expired (exp)");
  if (issued && seconds + leeway < *issued) return refused("issued in the future (iat)");
  return {};
}

Result<void> check_signature(const agent::JwtToken& token, const std::vector<Bytes>& keys) {
  Result<void> last = invalid("token signed by unknown authority");
  for (const Bytes& key : keys) {
    Result<void> verified = token.verify(key);
    if (verified) return verified;
    last = invalid("unable to verify token: " + verified.error().message());
  }
  return last;
}

}  // namespace

Result<std::vector<Bytes>> parse_service_account_keys(std::string_view pem) {
  STEEPLE_TRY(blocks, runtime::parse_pem_blocks(pem));
  std::vector<Bytes> keys;
  for (const runtime::PemBlock& block : blocks) {
    STEEPLE_TRY(key, key_of(block));
    if (key.empty()) continue;
    if (keys.size() == kServiceAccountKeysMax) return Error(ErrorCode::kLimit, "too many keys");
    STEEPLE_CHECK(runtime::with_context(runtime::public_key_info(key), "unsupported key in " + block.type + " block"));
    keys.push_back(std::move(key));
  }
  return keys;
}

Result<ServiceAccount> verify_service_account_token(std::string_view text, const std::vector<Bytes>& keys,
                                                    runtime::WallTime now) {
  std::string compact;  // without the line end of its file
  for (char c : text) {
    if (c != ' ' && c != '\t' && c != '\r' && c != '\n') compact += c;
  }
  Result<agent::JwtToken> token = agent::JwtToken::parse(compact);
  if (!token) return invalid("unable to parse token: " + token.error().message());
  STEEPLE_CHECK(check_signature(*token, keys));
  Result<agent::JsonText> claims = agent::parse_json(runtime::as_text(token->payload()));
  if (!claims) return invalid("unable to verify token: " + claims.error().message());
  if (Result<void> timely = check_times(claims->root, now); !timely) {
    return invalid("unable to validate token claims: " + timely.error().message());
  }
  Result<ServiceAccount> account = account_of(claims->root);
  if (!account) return invalid("error parsing token claims: " + account.error().message());
  return account;
}

}  // namespace steeple::devserver
