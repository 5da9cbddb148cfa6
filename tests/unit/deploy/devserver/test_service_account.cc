#include <catch2/catch.hpp>

#include "deploy/devserver/attestors/k8s_token.h"
#include "deploy/devserver/attestors/service_account.h"
#include "runtime/os/file.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/x509.h"
#include "tests/fakes/fake_kube_api.h"
#include "tests/unit/deploy/devserver/manual_clock.h"

using namespace steeple;
using namespace steeple::devserver;
using attestation::FakeKubeApi;
using attestation::finish;
using runtime::ErrorCode;
using runtime::PrivateKey;

namespace {

const std::int64_t kNow = 1'800'000'000;

const PrivateKey& rsa_key() {
  static const PrivateKey key = *PrivateKey::generate(runtime::KeyType::kRsa2048);
  return key;
}

std::string token_of(const std::string& claims, const PrivateKey& key = rsa_key()) {
  auto part = [](const std::string& text) { return runtime::base64url_encode(runtime::as_bytes(text)); };
  const std::string input = part(R"({"alg":"RS256","kid":"k"})") + "." + part(claims);
  return input + "." +
         runtime::base64url_encode(*key.sign(runtime::SignatureScheme::kRsaPkcs1Sha256, runtime::as_bytes(input)));
}

std::string outcome(const std::string& claims) {
  auto account = verify_service_account_token(token_of(claims), {rsa_key().public_key()},
                                              runtime::WallTime(std::chrono::seconds(kNow)));
  if (!account) CHECK(account.error().code() == ErrorCode::kInvalidArgument);
  return account ? account->full() : account.error().message();
}

std::string nested(const std::string& more = "") {
  return R"({"kubernetes.io":{"namespace":"spire","serviceaccount":{"name":"spire-agent"}})" + more + "}";
}
std::string pem(const std::string& name) {
  return runtime::read_file(std::string(STEEPLE_TEST_DATA) + "/x509pop/" + name, 1 << 16).value();
}

}  // namespace

TEST_CASE("Service account keys: certificates and public keys of both forms, others are passed over") {
  const std::string text = "words\n" + pem("rsa-leaf.pem") + pem("ec-key.pem") + pem("ec-leaf.pem") +
                           runtime::to_pem("PUBLIC KEY", rsa_key().public_key());
  auto keys = parse_service_account_keys(text);
  REQUIRE(keys);
  CHECK(keys->size() == 3);
  CHECK(keys->back() == rsa_key().public_key());
  // The contents of the bit string are PKCS#1.
  auto spki = rsa_key().public_key();
  runtime::Bytes pkcs1(spki.begin() + 24, spki.end());
  auto short_form = parse_service_account_keys(runtime::to_pem("RSA PUBLIC KEY", pkcs1));
  REQUIRE(short_form);
  CHECK(runtime::same_public_key(short_form->front(), spki));

  CHECK(parse_service_account_keys("no PEM at all").value().empty());
  pkcs1.pop_back();
  CHECK(parse_service_account_keys(runtime::to_pem("RSA PUBLIC KEY", pkcs1)).error().code() == ErrorCode::kMalformed);
  CHECK_FALSE(parse_service_account_keys(runtime::to_pem("PUBLIC KEY", runtime::as_bytes("x"))));
  CHECK(parse_service_account_keys(pem("ed25519-leaf.pem"))
            .error()
            .message()
            .starts_with("unsupported key in CERTIFICATE block"));
}

TEST_CASE("Service account tokens: the claims of a Secret's token and of a projected one") {
  CHECK(
      outcome(
          R"({"kubernetes.io/serviceaccount/namespace":"spire","kubernetes.io/serviceaccount/service-account.name":"a"})") ==
      "spire:a");
  CHECK(outcome(nested()) == "spire:spire-agent");
  CHECK(outcome("{}") == "error parsing token claims: token missing namespace claim");
  CHECK(outcome(R"({"kubernetes.io":{"namespace":"n"}})") ==
        "error parsing token claims: token missing service account name claim");
  CHECK(outcome(nested(R"(,"kubernetes.io/serviceaccount/namespace":"x")")) ==
        "error parsing token claims: malformed token: namespace found in two claims");
  CHECK(outcome(nested(R"(,"kubernetes.io/serviceaccount/service-account.name":"x")")) ==
        "error parsing token claims: malformed token: service account name found in two claims");
  CHECK(outcome(R"({"kubernetes.io":{"namespace":7}})") == "error parsing token claims: a claim is not a string");
}

TEST_CASE("Service account tokens: times count only with an expiry, with leeway") {
  auto at = [](const std::string& name, std::int64_t offset) {
    return ",\"" + name + "\":" + std::to_string(kNow + offset);
  };
  CHECK(outcome(nested(at("nbf", 9000))) == "spire:spire-agent");
  CHECK(outcome(nested(at("exp", -299))) == "spire:spire-agent");
  const std::string refused = "unable to validate token claims: go-jose/go-jose/jwt: validation failed, token ";
  CHECK(outcome(nested(at("exp", -301))) == refused + "is expired (exp)");
  CHECK(outcome(nested(at("exp", 9999) + at("nbf", 301))) == refused + "not valid yet (nbf)");
  CHECK(outcome(nested(at("exp", 9999) + at("iat", 301))) == refused + "issued in the future (iat)");
  CHECK(outcome(nested(",\"exp\":\"soon\"")).starts_with("unable to validate token claims: "));
}

TEST_CASE("Service account tokens: only the cluster's keys count, any of them") {
  const runtime::WallTime now{std::chrono::seconds(kNow)};
  const PrivateKey other = *PrivateKey::generate(runtime::KeyType::kRsa2048);
  const PrivateKey curve = *PrivateKey::generate(runtime::KeyType::kEcP256);
  const std::string token = token_of(nested());
  CHECK(verify_service_account_token(" " + token + "\n",
                                     {curve.public_key(), other.public_key(), rsa_key().public_key()}, now));
  auto unknown = verify_service_account_token(token, {other.public_key()}, now);
  CHECK(unknown.error().message() == "unable to verify token: go-jose/go-jose: error in cryptographic primitive");
  CHECK(verify_service_account_token(token, {}, now).error().message() == "token signed by unknown authority");
  for (const std::string bad : {"", "a.b", "a.b.c", "e30.e30.e30"}) {
    CHECK(verify_service_account_token(bad, {other.public_key()}, now)
              .error()
              .message()
              .starts_with("unable to parse token: "));
  }
  const std::string none = runtime::base64url_encode(runtime::as_bytes(R"({"alg":"none"})"));
  CHECK_FALSE(verify_service_account_token(none + token.substr(token.find('.')), {rsa_key().public_key()}, now));
}

TEST_CASE("k8s_sat by keys asks nobody") {
  ManualClock clock;
  K8sClusters clusters;
  K8sCluster cluster;
  cluster.config.allowed_accounts = {"spire:spire-agent"};
  cluster.keys = {rsa_key().public_key()};
  clusters.emplace("demo", std::move(cluster));
  auto attest = [&](const std::string& token) {
    const std::string payload = R"({"cluster":"demo","token":")" + token + "\"}";
    auto attestor = make_k8s_sat_attestor(clusters, clock);
    return finish(attestor->begin(runtime::as_bytes(payload), {}, {}));
  };
  auto step = attest(token_of(nested()));
  INFO((step ? std::string() : step.error().message()));
  REQUIRE(step);
  CHECK(std::get<AttestedAgent>(*step).path.starts_with("/k8s_sat/demo/"));
  auto refused = attest(token_of(R"({"kubernetes.io":{"namespace":"demo","serviceaccount":{"name":"builder"}}})"));
  CHECK(refused.error().code() == ErrorCode::kDenied);
  CHECK(refused.error().message() == "nodeattestor(k8s_sat): \"demo:builder\" is not an allowed service account");
}
