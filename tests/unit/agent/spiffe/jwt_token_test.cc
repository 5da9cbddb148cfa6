#include "agent/spiffe/jwt_token.h"

#include <catch2/catch.hpp>

#include "agent/spiffe/jwks.h"
#include "agent/spiffe/jwt_svid.h"
#include "runtime/tls/encoding.h"

using namespace steeple::agent;
using namespace steeple::runtime;

namespace {

std::string part(std::string_view text) { return base64url_encode(as_bytes(text)); }

std::string error_of(const std::string& header, const std::string& payload = "{}") {
  auto parsed = JwtToken::parse(part(header) + "." + part(payload) + ".AAAA");
  return parsed ? "" : parsed.error().message();
}

}  // namespace

TEST_CASE("Headers that go-jose refuses are refused in its words") {
  CHECK(error_of(R"({"alg":"ES256","kid":"a"})").empty());
  CHECK(error_of(R"({"alg":"ES256","alg":"none"})") == "json: duplicate key 'alg' in object");
  CHECK(error_of(R"([1])") == "json: cannot unmarshal array into Go value of type jose.rawHeader");
  CHECK(error_of(R"({"alg":5})") ==
        R"(failed to unmarshal algorithm: json: cannot unmarshal number into Go value of type string: "5")");
  CHECK(error_of(R"({"alg":"ES256","kid":["a"]})") ==
        R"(failed to unmarshal key ID: json: cannot unmarshal array into Go value of type string: "[\"a\"]")");
  CHECK(error_of(R"({"alg":"ES256","jwk":{"kty":"oct","k":"AAAA"}})") ==
        "go-jose/go-jose: invalid embedded jwk, must be public key");
  CHECK(error_of(R"({"alg":"ES256","jwk":{"kty":"EC","d":"AAAA"}})") ==
        "go-jose/go-jose: invalid embedded jwk, must be public key");
  CHECK(error_of(R"({"alg":"ES256","x5c":["!"]})") ==
        R"(failed to unmarshal x5c header: illegal base64 data at input byte 0: "[\"!\"]")");
  CHECK(error_of(R"({"ALG":"ES256"})").starts_with("unexpected signature algorithm \"\""));
}

TEST_CASE("A token that is too long is not even decoded") {
  auto parsed = JwtToken::parse(std::string(kJwtSizeMax + 1, 'a'));
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().message() == "larger than 1048576 bytes");
}

TEST_CASE("A key of another type, or a plain payload, makes no signature right") {
  PrivateKey ec = *PrivateKey::generate(KeyType::kEcP256);
  PrivateKey rsa = *PrivateKey::generate(KeyType::kRsa2048);
  std::string text = part(R"({"alg":"RS256","kid":"a","b64":false})") + "." + part("{}");
  std::string signed_text = part(R"({"alg":"RS256","kid":"a","b64":false})") + ".{}";
  Bytes encoded_signature = *rsa.sign(SignatureScheme::kRsaPkcs1Sha256, as_bytes(text));
  Bytes plain_signature = *rsa.sign(SignatureScheme::kRsaPkcs1Sha256, as_bytes(signed_text));
  CHECK_FALSE(JwtToken::parse(text + "." + base64url_encode(encoded_signature))->verify(rsa.public_key()));
  CHECK(JwtToken::parse(text + "." + base64url_encode(plain_signature))->verify(rsa.public_key()));
  CHECK_FALSE(JwtToken::parse(text + "." + base64url_encode(plain_signature))->verify(ec.public_key()));
  CHECK_FALSE(JwtToken::parse(text + "." + base64url_encode(plain_signature))->verify(Bytes{1, 2, 3}));
}

TEST_CASE("What a refusal repeats of a token is bounded") {
  PrivateKey key = *PrivateKey::generate(KeyType::kEcP256);
  auto bundle = std::make_shared<Bundle>(*TrustDomain::parse("example.org"));
  bundle->add_jwt_authority(JwtAuthority("a", key.public_key()));
  std::vector<SharedBundle> bundles{bundle};
  std::string audience(100'000, 'x');
  std::string text = part(R"({"alg":"ES256","kid":"a"})") + "." +
                     part(R"({"sub":"spiffe://example.org/a","exp":9000000000,"aud":[")" + audience + R"("]})");
  EcdsaSignature numbers = *split_ecdsa_signature(*key.sign(SignatureScheme::kEcdsaSha256, as_bytes(text)));
  Bytes signature(64);
  std::copy(numbers.r.rbegin(), numbers.r.rend(), signature.rbegin() + 32);
  std::copy(numbers.s.rbegin(), numbers.s.rend(), signature.rbegin());
  std::string token = text + "." + base64url_encode(signature);
  auto now = std::chrono::system_clock::now();
  CHECK(verify_jwt_svid(token, audience, bundles, now));
  auto refused = verify_jwt_svid(token, "y", bundles, now);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().starts_with("expected audience in [\"y\"] (audience=[\"xxx"));
  CHECK(refused.error().message().size() < 5'000);
  auto long_header = verify_jwt_svid(part(R"({"alg":")" + audience + R"("})") + ".e30.AAAA", "y", bundles, now);
  REQUIRE_FALSE(long_header);
  CHECK(long_header.error().message().size() < 5'000);
}

TEST_CASE("The JWK Set that workloads are told has JWT keys alone, by key id") {
  Bundle bundle(*TrustDomain::parse("example.org"));
  CHECK(format_jwt_key_set(bundle) == "{\n    \"keys\": []\n}");
  PrivateKey key = *PrivateKey::generate(KeyType::kEcP256);
  bundle.add_jwt_authority(JwtAuthority("b", key.public_key()));
  bundle.add_jwt_authority(JwtAuthority("a", PrivateKey::generate(KeyType::kRsa2048)->public_key()));
  std::string text = format_jwt_key_set(bundle);
  CHECK(
      text.starts_with("{\n    \"keys\": [\n        {\n            \"kty\": \"RSA\",\n            \"kid\": \"a\",\n"
                       "            \"n\": \""));
  CHECK(text.find("\"use\"") == std::string::npos);
  CHECK(text.find(
            "\"kty\": \"EC\",\n            \"kid\": \"b\",\n            \"crv\": \"P-256\",\n            \"x\": \"") !=
        std::string::npos);
}
