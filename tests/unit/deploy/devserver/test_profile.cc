#include <catch2/catch.hpp>

#include "deploy/devserver/ca/profile.h"
#include "runtime/tls/encoding.h"

using namespace steeple;
using namespace steeple::devserver;
using std::chrono::seconds;

namespace {

const runtime::WallTime kNow{seconds(1'800'000'000)};

X509Issuer make_issuer(seconds ttl) {
  auto key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
  auto certificate = make_authority(key, "spiffe://example.org", ttl, kNow);
  REQUIRE(certificate);
  return X509Issuer(*certificate, key);
}

}  // namespace

TEST_CASE("An authority follows SPIRE's profile") {
  X509Issuer issuer = make_issuer(seconds(3600));
  const auto& ca = issuer.certificate;
  CHECK(ca.subject().ends_with("=" + ca.serial_decimal() + ",O=SPIFFE,C=US"));
  CHECK(ca.is_self_issued());
  CHECK(ca.is_ca());
  CHECK(ca.key_usage() == (runtime::kKeyCertSign | runtime::kCrlSign));
  CHECK(ca.uri_sans() == std::vector<std::string>{"spiffe://example.org"});
  CHECK(ca.not_before() == kNow - seconds(10));
  CHECK(ca.not_after() == kNow + seconds(3600));
  CHECK(ca.subject_key_id() == *runtime::subject_key_id_of(issuer.key.public_key()));
  CHECK(ca.authority_key_id().empty());
}

TEST_CASE("An SVID follows SPIRE's profile and never outlives its issuer") {
  X509Issuer issuer = make_issuer(seconds(3600));
  auto key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
  SvidRequest request{"spiffe://example.org/w", key.public_key(), seconds(60), {"b.example.org", "a.example.org"}};
  auto svid = sign_svid(issuer, request, kNow);
  REQUIRE(svid);
  CHECK(svid->subject() == "CN=b.example.org,O=SPIRE,C=US");
  CHECK(svid->uri_sans() == std::vector<std::string>{"spiffe://example.org/w"});
  CHECK(svid->dns_sans() == request.dns_names);
  CHECK_FALSE(svid->is_ca());
  CHECK(svid->key_usage() == (runtime::kDigitalSignature | runtime::kKeyEncipherment | runtime::kKeyAgreement));
  CHECK(svid->not_before() == kNow - seconds(10));
  CHECK(svid->not_after() == kNow + seconds(60));
  CHECK(svid->authority_key_id() == issuer.certificate.subject_key_id());
  CHECK(runtime::verify_chain(*svid, {}, {issuer.certificate}, kNow));
  request.ttl = seconds(7200);
  request.dns_names.clear();
  svid = sign_svid(issuer, request, kNow);
  REQUIRE(svid);
  CHECK(svid->subject() == "O=SPIRE,C=US");
  CHECK(svid->not_after() == issuer.certificate.not_after());
}

TEST_CASE("A JWT-SVID is signed with ES256 over its parts") {
  auto key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
  auto token = sign_jwt(key, "kid", {"spiffe://example.org/w", {"db", "a\"b"}, 100, 400, false});
  REQUIRE(token);
  std::size_t first = token->find('.');
  std::size_t last = token->rfind('.');
  auto part = [&](std::size_t from, std::size_t to) {
    return runtime::to_text(*runtime::base64url_decode(token->substr(from, to - from)));
  };
  CHECK(part(0, first) == R"({"alg":"ES256","kid":"kid","typ":"JWT"})");
  CHECK(part(first + 1, last) == R"({"aud":["db","a\"b"],"exp":400,"iat":100,"sub":"spiffe://example.org/w"})");
  auto raw = *runtime::base64url_decode(token->substr(last + 1));
  REQUIRE(raw.size() == 64);
  runtime::EcdsaSignature parts{{raw.begin(), raw.begin() + 32}, {raw.begin() + 32, raw.end()}};
  auto der = runtime::join_ecdsa_signature(parts);
  REQUIRE(der);
  auto signed_part = runtime::as_bytes(std::string_view(*token).substr(0, last));
  CHECK(runtime::verify_signature(key.public_key(), runtime::SignatureScheme::kEcdsaSha256, signed_part, *der));
  auto with_jti = sign_jwt(key, "kid", {"spiffe://example.org/w", {"db"}, 100, 400, true});
  std::string claims = runtime::to_text(*runtime::base64url_decode(
      with_jti->substr(with_jti->find('.') + 1, with_jti->rfind('.') - with_jti->find('.') - 1)));
  CHECK(claims.find("\"jti\":\"") != std::string::npos);
}

TEST_CASE("Serials, key ids and UUIDs have their forms") {
  CHECK(decimal_of(runtime::Bytes{}) == "0");
  CHECK(decimal_of(runtime::Bytes{0, 0}) == "0");
  CHECK(decimal_of(runtime::Bytes{1, 0}) == "256");
  CHECK(decimal_of(runtime::Bytes(16, 0xff)) == "340282366920938463463374607431768211455");
  std::string uuid = random_uuid();
  CHECK(uuid.size() == 36);
  CHECK(uuid[14] == '4');
  CHECK(std::string("89ab").find(uuid[19]) != std::string::npos);
  CHECK(random_uuid() != uuid);
  CHECK(random_key_id().size() == 32);
}

TEST_CASE("An authority has the subject that was configured") {
  auto key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
  auto certificate = make_authority(key, "spiffe://example.org", seconds(60), kNow, {{"DE"}, {}, "name"});
  REQUIRE(certificate);
  CHECK(certificate->subject().ends_with("=" + certificate->serial_decimal() + ",CN=name,C=DE"));
}
