#include <catch2/catch.hpp>

#include "deploy/devserver/ca/profile.h"
#include "deploy/devserver/cli/bundle_text.h"
#include "deploy/devserver/cli/output_json.h"
#include "runtime/tls/encoding.h"
#include "spire/api/types/bundle.pb.h"

using namespace steeple;
using namespace steeple::devserver;
using spire::api::types::Bundle;

namespace {

Bundle some_bundle() {
  auto key = runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
  auto certificate =
      make_authority(*key, "spiffe://other.test", std::chrono::hours(1), runtime::SystemClock().wall_now());
  REQUIRE(certificate);
  Bundle bundle;
  bundle.set_trust_domain("other.test");
  bundle.add_x509_authorities()->set_asn1(std::string(runtime::as_text(certificate->der())));
  auto* jwt = bundle.add_jwt_authorities();
  jwt->set_key_id("k1");
  jwt->set_public_key(std::string(runtime::as_text(key->public_key())));
  bundle.set_refresh_hint(300);
  bundle.set_sequence_number(7);
  return bundle;
}

}  // namespace

TEST_CASE("A bundle printed as a SPIFFE document is read back whole") {
  Bundle bundle = some_bundle();
  auto text = format_bundle(bundle, BundleFormat::kSpiffe);
  REQUIRE(text);
  CHECK(text->find("\n    \"keys\": [\n") != std::string::npos);
  auto read = parse_bundle(*text, BundleFormat::kSpiffe, "spiffe://other.test");
  REQUIRE(read);
  CHECK(to_json(*read) == to_json(bundle));
}

TEST_CASE("PEM carries the X.509 authorities alone") {
  Bundle bundle = some_bundle();
  auto text = format_bundle(bundle, BundleFormat::kPem);
  REQUIRE(text);
  auto read = parse_bundle(*text, BundleFormat::kPem, "other.test");
  REQUIRE(read);
  CHECK(read->x509_authorities(0).asn1() == bundle.x509_authorities(0).asn1());
  CHECK(read->jwt_authorities().empty());
}

TEST_CASE("Bundles that cannot be read are refused in SPIRE's words") {
  auto refusal = [](const std::string& text, BundleFormat format, const std::string& id) {
    auto read = parse_bundle(text, format, id);
    return read ? "" : read.error().message();
  };
  CHECK(refusal("", BundleFormat::kPem, "a.test") == "unable to parse bundle data: no PEM blocks");
  CHECK(refusal("{", BundleFormat::kSpiffe, "a.test").starts_with("unable to parse to spiffe bundle: "));
  CHECK_FALSE(refusal("{}", BundleFormat::kSpiffe, "spiffe://").empty());
  auto format = parse_bundle_format("JKS");
  REQUIRE_FALSE(format);
  CHECK(format.error().message() == "invalid format: \"jks\"");
  CHECK(*parse_bundle_format("SPIFFE") == BundleFormat::kSpiffe);
  CHECK(*parse_bundle_format("") == BundleFormat::kPem);
}

TEST_CASE("A bundle as JSON has every field") {
  Bundle bundle;
  bundle.set_trust_domain("a.test");
  bundle.add_x509_authorities()->set_asn1("\x01\x02");
  bundle.mutable_x509_authorities(0)->set_tainted(true);
  CHECK(to_json(bundle) == R"({"jwt_authorities":[],"refresh_hint":"0","sequence_number":"0","trust_domain":"a.test",)"
                           R"("wit_authorities":[],"x509_authorities":[{"asn1":"AQI=","tainted":true}]})");
}
