#include "agent/spiffe/jwt_svid.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "agent/spiffe/jwt_token.h"
#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::size_t kErrorTextMax = 4096;

// The claims that have a meaning.
struct RegisteredClaims {
  std::string subject;
  std::vector<std::string> audience;
  std::optional<std::int64_t> expiry, not_before, issued_at;  // Unix seconds
};

Error malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

Result<std::optional<std::int64_t>> numeric_date(const JsonValue& value) {
  if (value.is_null()) return std::optional<std::int64_t>();
  Result<double> seconds = value.number() ? value.number()->to_double() : Result<double>(malformed("not a number"));
  if (!seconds) return malformed("go-jose/go-jose/jwt: expected number value to unmarshal NumericDate");
  constexpr double kLimit = 9.2e18;
  if (*seconds < -kLimit || *seconds > kLimit) return std::optional(std::numeric_limits<std::int64_t>::min());
  return std::optional(static_cast<std::int64_t>(*seconds));
}

Result<std::vector<std::string>> audience_list(const JsonValue& value) {
  std::vector<std::string> list;
  bool readable = value.text() != nullptr || value.array() != nullptr;
  if (value.text()) list.push_back(*value.text());
  for (const JsonValue& item : value.array() ? *value.array() : JsonValue::Array()) {
    readable = readable && item.text() != nullptr;
    if (item.text()) list.push_back(*item.text());
  }
  if (!readable) return malformed("go-jose/go-jose/jwt: expected string or array value to unmarshal to Audience");
  return list;
}

// A wrong date or audience ends the reading; a text of another type is told at its end, the first of them.
Result<void> read_claim(const JsonMember& member, RegisteredClaims& claims, std::optional<Error>& later) {
  if (member.name == "exp" || member.name == "nbf" || member.name == "iat") {
    STEEPLE_TRY(date, numeric_date(member.value));
    (member.name == "exp" ? claims.expiry : member.name == "nbf" ? claims.not_before : claims.issued_at) = date;
  } else if (member.name == "aud") {
    STEEPLE_TRY(list, audience_list(member.value));
    claims.audience = std::move(list);
  } else if (member.name == "sub" || member.name == "iss" || member.name == "jti") {
    if (!member.value.text() && !member.value.is_null() && !later) later = wrong_json_type(member.value, "string");
    if (member.name == "sub" && member.value.text()) claims.subject = *member.value.text();
  }
  return {};
}

Result<RegisteredClaims> read_claims(const JsonText& text) {
  RegisteredClaims claims;
  if (text.root.is_null()) return claims;
  if (text.root.object() == nullptr) return wrong_json_type(text.root, "jwt.Claims");
  std::optional<Error> later;
  const JsonValue::Object& members = *text.root.object();
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (text.duplicate_member == i) return duplicate_name(members[i].name);
    STEEPLE_CHECK(read_claim(members[i], claims, later));
  }
  if (later) return std::move(*later);
  return claims;
}

Result<const JwtAuthority*> find_key(std::span<const SharedBundle> bundles, const TrustDomain& trust_domain,
                                     const std::string& key_id) {
  auto bundle = std::find_if(bundles.begin(), bundles.end(),
                             [&](const SharedBundle& known) { return known->trust_domain() == trust_domain; });
  if (bundle == bundles.end()) {
    return malformed("no keys found for trust domain " + runtime::go_quote(trust_domain.name()));
  }
  auto key = (*bundle)->jwt_authorities().find(key_id);
  if (key == (*bundle)->jwt_authorities().end()) {
    return malformed(fmt::format("public key {} not found in trust domain {}", runtime::go_quote(key_id),
                                 runtime::go_quote(trust_domain.name())));
  }
  return &key->second;
}

Result<void> check_times(const RegisteredClaims& claims, runtime::WallTime now) {
  auto whole = std::chrono::floor<std::chrono::seconds>(now);
  std::int64_t seconds = whole.time_since_epoch().count();
  std::int64_t latest = seconds + kJwtLeeway.count();
  std::int64_t earliest = seconds - kJwtLeeway.count() + (now > whole ? 1 : 0);
  if (claims.not_before && latest < *claims.not_before) {
    return malformed("go-jose/go-jose/jwt: validation failed, token not valid yet (nbf)");
  }
  if (*claims.expiry < earliest) return malformed("token has expired");
  if (claims.issued_at && latest < *claims.issued_at) {
    return malformed("go-jose/go-jose/jwt: validation field, token issued in the future (iat)");
  }
  return {};
}

Result<void> check_claims(const RegisteredClaims& claims, std::string_view audience, runtime::WallTime now) {
  if (std::find(claims.audience.begin(), claims.audience.end(), audience) == claims.audience.end()) {
    return malformed(fmt::format("expected audience in [{}] (audience={})", runtime::go_quote(audience),
                                 runtime::go_quoted_list(claims.audience)));
  }
  return check_times(claims, now);
}

// What a map of any values would not take.
Result<void> check_convertible(const JsonValue& value) {
  if (value.number()) {
    if (Result<double> number = value.number()->to_double(); !number) return std::move(number.error());
  }
  if (value.array()) {
    for (const JsonValue& item : *value.array()) STEEPLE_CHECK(check_convertible(item));
  }
  if (value.object()) {
    for (const JsonMember& member : *value.object()) STEEPLE_CHECK(check_convertible(member.value));
  }
  return {};
}

Result<VerifiedJwt> verify(std::string_view token, std::string_view audience, std::span<const SharedBundle> bundles,
                           runtime::WallTime now) {
  STEEPLE_TRY(jwt, with_context(JwtToken::parse(token), "unable to parse JWT token"));
  if (jwt.key_id().empty()) return malformed("token header missing key id");
  STEEPLE_TRY(text, parse_json(runtime::as_text(jwt.payload())));
  STEEPLE_TRY(claims, read_claims(text));
  if (claims.subject.empty()) return malformed("token missing subject claim");
  if (!claims.expiry) return malformed("token missing exp claim");
  STEEPLE_TRY(id, with_context(SpiffeId::parse(claims.subject), "token has in invalid subject claim"));
  STEEPLE_TRY(key, find_key(bundles, id.trust_domain(), jwt.key_id()));
  STEEPLE_CHECK(jwt.verify(key->public_key));
  if (text.duplicate_below) return duplicate_name(*text.duplicate_below);
  STEEPLE_CHECK(check_convertible(text.root));
  STEEPLE_CHECK(check_claims(claims, audience, now));
  return VerifiedJwt{std::move(id), std::move(text.root)};
}

// Texts repeat what the token says, which may be as long as the token.
Error bounded(Error error) {
  if (error.message().size() <= kErrorTextMax) return error;
  std::size_t size = kErrorTextMax;
  while (size > 0 && (static_cast<unsigned char>(error.message()[size]) & 0xC0) == 0x80) --size;
  return Error(error.code(), error.message().substr(0, size) + "...");
}

}  // namespace

JwtSvid::JwtSvid(SpiffeId spiffe_id, runtime::SecretBytes token, runtime::WallTime issued_at,
                 runtime::WallTime expires_at)
    : spiffe_id_(std::move(spiffe_id)), token_(std::move(token)), issued_at_(issued_at), expires_at_(expires_at) {
  if (Result<JwtToken> read = JwtToken::parse(runtime::as_text(token_.view()))) key_id_ = read->key_id();
}

Result<VerifiedJwt> verify_jwt_svid(std::string_view token, std::string_view audience,
                                    std::span<const SharedBundle> bundles, runtime::WallTime now) {
  Result<VerifiedJwt> verified = verify(token, audience, bundles, now);
  if (verified) return verified;
  return bounded(std::move(verified.error()));
}

}  // namespace steeple::agent
