#include "agent/spiffe/bundle.h"

#include <catch2/catch.hpp>

#include "agent/spiffe/jwks.h"
#include "agent/spiffe/trust_bundle.h"
#include "runtime/tls/encoding.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::agent;
using namespace steeple::testing;
using steeple::runtime::Certificate;

namespace {

TrustDomain domain(const char* name = "example.org") { return *TrustDomain::parse(name); }

std::string x5c_entry(const Certificate& certificate, const std::string& kty = "OKP") {
  return R"({"use":"x509-svid","kty":")" + kty + R"(","x5c":[")" + steeple::runtime::base64_encode(certificate.der()) +
         R"("]})";
}

}  // namespace

TEST_CASE("Bundle equality covers order, hint, sequence number and keys, not taint") {
  Certificate a = new_authority().certificate;
  Certificate b = new_authority().certificate;
  auto bundle = [&](bool swapped) {
    Bundle made(domain());
    made.add_x509_authority(swapped ? b : a);
    made.add_x509_authority(swapped ? a : b);
    made.add_jwt_authority(JwtAuthority("k", new_key().public_key()));
    return made;
  };
  Bundle first = bundle(false);
  Bundle second = first;
  CHECK(first == second);
  second.set_sequence_number(2);
  CHECK_FALSE(first == second);
  second = first;
  second.set_refresh_hint(std::chrono::seconds(5));
  CHECK_FALSE(first == second);
  CHECK_FALSE(first == bundle(true));
  second = first;
  second.add_jwt_authority(JwtAuthority("k", new_key().public_key()));
  CHECK_FALSE(first == second);
  Bundle tainted(domain());
  tainted.add_x509_authority(a, true);
  Bundle clean(domain());
  clean.add_x509_authority(a);
  CHECK(tainted == clean);
  CHECK(tainted.tainted_subject_key_ids() == std::vector<std::string>{steeple::runtime::to_hex(a.subject_key_id())});
  CHECK(clean.tainted_subject_key_ids().empty());
  tainted.add_x509_authority(a);
  CHECK(tainted.x509_authorities().size() == 1);
  CHECK(tainted.x509_der() == steeple::runtime::to_bytes(a.der()));
}

TEST_CASE("A bundle set finds bundles and keeps the own one its own") {
  auto own = std::make_shared<Bundle>(domain());
  auto other = std::make_shared<Bundle>(domain("partner.test"));
  BundleSet set(own);
  set.set_federated(other);
  set.set_federated(std::make_shared<Bundle>(domain()));
  CHECK(set.federated().size() == 1);
  CHECK(set.find(domain()) == own);
  CHECK(set.find(domain("partner.test")) == other);
  CHECK(set.find(domain("nobody.test")) == nullptr);
  BundleSet equal(std::make_shared<Bundle>(domain()));
  equal.set_federated(std::make_shared<Bundle>(domain("partner.test")));
  CHECK(set == equal);
  equal.set_federated(std::make_shared<Bundle>(domain("third.test")));
  CHECK_FALSE(set == equal);
}

TEST_CASE("Bundle documents survive writing and reading") {
  Bundle bundle(domain());
  bundle.add_x509_authority(new_authority().certificate);
  bundle.add_x509_authority(new_authority(test_now(), steeple::runtime::KeyType::kRsa2048).certificate);
  bundle.add_jwt_authority(JwtAuthority("key \"1\"", new_key().public_key()));
  bundle.add_jwt_authority(JwtAuthority("2", new_key(steeple::runtime::KeyType::kEcP384).public_key()));
  bundle.set_sequence_number(7);
  bundle.set_refresh_hint(std::chrono::seconds(300));
  for (bool indent : {true, false}) {
    std::string document = *format_bundle_document(bundle, indent);
    CHECK((document.find('\n') != std::string::npos) == indent);
    auto again = parse_bundle_document(domain(), document);
    REQUIRE(again);
    CHECK(*again == bundle);
  }
  CHECK(*format_bundle_document(Bundle(domain()), false) == R"({"keys":[]})");
}

TEST_CASE("The bundle document is written in SPIRE's shape") {
  Bundle bundle(domain());
  bundle.add_jwt_authority(
      JwtAuthority("id", *steeple::runtime::base64_decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncD"
                                                          "fYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7Lt"
                                                          "kBoN79R9Q==")));
  CHECK(*format_bundle_document(bundle, true) == R"({
    "keys": [
        {
            "use": "jwt-svid",
            "kty": "EC",
            "kid": "id",
            "crv": "P-256",
            "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
            "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"
        }
    ]
})");
}

TEST_CASE("Bundle documents are refused with SPIRE's texts") {
  Certificate a = new_authority().certificate;
  auto error = [](const std::string& document) {
    auto bundle = parse_bundle_document(domain(), document);
    return bundle ? std::string() : bundle.error().message();
  };
  CHECK(error(R"({"keys":[{"use":"x509-svid","kty":"EC"}]})") ==
        "expected a single certificate in x509-svid entry 0; got 0");
  std::string two = x5c_entry(a);
  std::string der = steeple::runtime::base64_encode(a.der());
  two.insert(two.rfind(']'), ",\"" + der + "\"");
  CHECK(error(R"({"keys":[)" + x5c_entry(a) + "," + two + "]}") ==
        "expected a single certificate in x509-svid entry 1; got 2");
  CHECK(error(R"({"keys":[{"kty":"EC"}]})") == "missing use for key entry 0");
  CHECK(error(R"({"keys":[{"use":"sig"}]})") == R"(unrecognized use "sig" for key entry 0)");
  CHECK(error(R"({"keys":[{"use":"jwt-svid"}]})") == "missing key ID in jwt-svid entry 0");
  CHECK(error(R"({"keys":[{"use":"wit-svid"}]})") == "missing key ID in wit-svid entry 0");
  CHECK(error("") == "unexpected end of JSON input");
  CHECK(error("garbage") == "invalid character 'g' looking for beginning of value");
  CHECK(error(R"({"keys":[{"use":"x509-svid")") == "unexpected end of JSON input");
  CHECK_FALSE(error("[]").empty());
  CHECK_FALSE(error(R"({"keys":{}})").empty());
  CHECK_FALSE(error(R"({"keys":["x"]})").empty());
  CHECK_FALSE(error(R"({"keys":[{"use":"x509-svid","x5c":["!"]}]})").empty());
  CHECK_FALSE(error(R"({"keys":[{"use":"x509-svid","x5c":["AAAA"]}]})").empty());
  CHECK_FALSE(error(R"({"keys":[{"use":"x509-svid","x5c":[1]}]})").empty());
  CHECK_FALSE(error(R"({"spiffe_sequence":"x"})").empty());
  CHECK_FALSE(error(R"({"keys":[{"use":"jwt-svid","kid":"a","kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]})").empty());
  CHECK_FALSE(error(std::string(2000, '[')).empty());
}

TEST_CASE("The last of duplicate members counts, names match in any case, foreign keys are passed over") {
  Certificate a = new_authority().certificate;
  Certificate b = new_authority().certificate;
  auto bundle = parse_bundle_document(
      domain(), R"({"keys":[{"use":"sig"}],"Keys":[{"use":"sig","kty":"oct","Use":"wit-svid","kid":"w"},)" +
                    x5c_entry(a) + "," + x5c_entry(a) + "," + x5c_entry(b) +
                    R"(,{"use":"jwt-svid","kid":"ed","kty":"OKP","crv":"Ed25519","x":"AA"}]})");
  REQUIRE(bundle);
  CHECK(bundle->certificates() == steeple::runtime::Certificates{a, b});
  CHECK(bundle->jwt_authorities().empty());
  // An EC key without coordinates is no key, whatever its certificate says.
  CHECK_FALSE(parse_bundle_document(domain(), R"({"keys":[)" + x5c_entry(a, "EC") + "]}"));
}

TEST_CASE("A key that is not its certificate's is refused") {
  Bundle bundle(domain());
  Certificate a = new_authority().certificate;
  bundle.add_x509_authority(a);
  std::string document = *format_bundle_document(bundle, false);
  std::string other = steeple::runtime::base64_encode(new_authority().certificate.der());
  std::string own = steeple::runtime::base64_encode(a.der());
  document.replace(document.find(own), own.size(), other);
  auto refused = parse_bundle_document(domain(), document);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message() == "x509-svid entry 0: public keys in key and x5c fields do not match");
}

TEST_CASE("Trust bundles come as PEM or as a document") {
  Certificate a = new_authority().certificate;
  CHECK(parse_trust_bundle(TrustBundleFormat::kPem, steeple::runtime::to_pem(a))->front() == a);
  CHECK(parse_trust_bundle(TrustBundleFormat::kPem, "").error().message() == "no PEM blocks");
  Bundle bundle(domain());
  CHECK(parse_trust_bundle(TrustBundleFormat::kSpiffe, *format_bundle_document(bundle, false)).error().message() ==
        "no certificates found in trust bundle");
  CHECK(parse_trust_bundle(TrustBundleFormat::kSpiffe, "x").error().message() ==
        "unable to parse SPIFFE trust bundle: invalid character 'x' looking for beginning of value");
  bundle.add_x509_authority(a);
  CHECK(parse_trust_bundle(TrustBundleFormat::kSpiffe, *format_bundle_document(bundle, true))->front() == a);
  CHECK(*parse_trust_bundle_format("") == TrustBundleFormat::kPem);
  CHECK(*parse_trust_bundle_format("spiffe") == TrustBundleFormat::kSpiffe);
  CHECK(parse_trust_bundle_format("jwks").error().message() ==
        R"(invalid value for trust_bundle_format, expected "pem" or "spiffe")");
}
