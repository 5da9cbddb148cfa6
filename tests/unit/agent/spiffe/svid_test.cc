#include <catch2/catch.hpp>

#include "agent/spiffe/rotation_policy.h"
#include "agent/spiffe/server_verifier.h"
#include "agent/spiffe/x509_svid.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::agent;
using namespace steeple::testing;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ns;
using steeple::runtime::Bytes;
using steeple::runtime::BytesView;
using steeple::runtime::ErrorCode;
using steeple::runtime::to_bytes;
using steeple::runtime::WallTime;

namespace {

TrustDomain domain() { return *TrustDomain::parse("example.org"); }

std::vector<Bytes> presented(const Leaf& leaf) { return {to_bytes(leaf.certificate.der())}; }

}  // namespace

TEST_CASE("An X509-SVID holds its chain, key, name and times") {
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "spiffe://example.org/workload");
  Bytes chain = steeple::runtime::concatenate({leaf.certificate, authority.certificate});
  auto svid = X509Svid::make(chain, leaf.key);
  REQUIRE(svid);
  CHECK((*svid)->id().text() == "spiffe://example.org/workload");
  CHECK((*svid)->chain() == chain);
  CHECK(to_bytes((*svid)->leaf()) == to_bytes(leaf.certificate.der()));
  CHECK(to_bytes((*svid)->key().view()) == to_bytes(leaf.key.to_pkcs8().view()));
  CHECK((*svid)->not_after() == test_now() + 1h);
  CHECK_FALSE((*svid)->expired(test_now()));
  CHECK((*svid)->expired(test_now() + 1h));
  CHECK((*svid)->serial_decimal() == leaf.certificate.serial_decimal());
}

TEST_CASE("A broken X509-SVID is refused with a reason") {
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "spiffe://example.org/workload");
  auto error = [](BytesView chain, const steeple::runtime::PrivateKey& key) {
    auto svid = X509Svid::make(chain, key);
    return svid ? std::string() : svid.error().message();
  };
  BytesView der = leaf.certificate.der();
  CHECK(error({}, leaf.key) == "empty certificate chain");
  CHECK(error(der, new_key()) == "leaf certificate does not match private key");
  CHECK_FALSE(error(der.first(der.size() - 1), leaf.key).empty());
  CHECK(error(authority.certificate.der(), authority.key) == "leaf certificate with CA flag set to true");
  Leaf nameless = new_leaf(authority, "");
  CHECK(error(nameless.certificate.der(), nameless.key) ==
        "could not get leaf SPIFFE ID: certificate contains no URI SAN");
  Leaf foreign = new_leaf(authority, "https://example.org");
  CHECK(error(foreign.certificate.der(), foreign.key) == "could not get leaf SPIFFE ID: scheme is missing or invalid");
  auto wanted = leaf_template(leaf.key, "spiffe://example.org/a", test_now());
  wanted.uri_sans.push_back("spiffe://example.org/b");
  CHECK(error(sign(wanted, authority.key, &authority.certificate).der(), leaf.key) ==
        "could not get leaf SPIFFE ID: certificate contains more than one URI SAN");
  wanted.uri_sans.pop_back();
  wanted.key_usage = steeple::runtime::kCrlSign;
  CHECK(error(sign(wanted, authority.key, &authority.certificate).der(), leaf.key) ==
        "leaf certificate with KeyCrlSign key usage");
  wanted.key_usage = steeple::runtime::kKeyCertSign;
  CHECK(error(sign(wanted, authority.key, &authority.certificate).der(), leaf.key) ==
        "leaf certificate with KeyCertSign key usage");
}

TEST_CASE("A server is believed by its SPIFFE ID and path") {
  Authority authority = new_authority();
  SpiffeId expected = server_id(domain());
  Leaf server = new_leaf(authority, expected.text());
  steeple::runtime::Certificates roots{authority.certificate};
  CHECK(verify_server(presented(server), expected, roots, test_now()));

  auto untrusted = verify_server(presented(server), expected, {new_authority().certificate}, test_now());
  REQUIRE_FALSE(untrusted);
  CHECK(untrusted.error().code() == ErrorCode::kUntrusted);
  CHECK(untrusted.error().message().starts_with(
      "x509svid: could not verify leaf certificate: x509: certificate signed by unknown authority"));
  auto expired = verify_server(presented(server), expected, roots, test_now() + 3h);
  REQUIRE_FALSE(expired);
  CHECK(expired.error().code() == ErrorCode::kTls);
  auto other = verify_server(presented(new_leaf(authority, "spiffe://example.org/other")), expected, roots, test_now());
  REQUIRE_FALSE(other);
  CHECK(other.error().code() == ErrorCode::kTls);
  CHECK(other.error().message() == R"(unexpected ID "spiffe://example.org/other")");
  auto foreign =
      verify_server(presented(new_leaf(authority, "spiffe://other.test/spire/server")), expected, roots, test_now());
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().code() == ErrorCode::kTls);
  CHECK(foreign.error().message() ==
        R"(x509svid: could not get X509 bundle: x509bundle: no X.509 bundle found for trust domain: "other.test")");
  CHECK(verify_server({}, expected, roots, test_now()).error().message() == "x509svid: empty certificates chain");
  CHECK_FALSE(verify_server(std::vector<Bytes>{Bytes(10)}, expected, roots, test_now()));
}

TEST_CASE("Insecure bootstrap looks at the name only") {
  SpiffeId expected = server_id(domain());
  CHECK(verify_server_insecurely(presented(new_leaf(new_authority(), expected.text())), expected));
  auto other = verify_server_insecurely(presented(new_leaf(new_authority(), "spiffe://a/b")), expected);
  REQUIRE_FALSE(other);
  CHECK(other.error().message() ==
        R"(expected server SPIFFE ID "spiffe://example.org/spire/server"; got ["spiffe://a/b"])");
  auto none = verify_server_insecurely(presented(new_leaf(new_authority(), "")), expected);
  REQUIRE_FALSE(none);
  CHECK(none.error().message() == R"(expected server SPIFFE ID "spiffe://example.org/spire/server"; got [])");
}

TEST_CASE("Verifiers ask for authorities and time at each handshake") {
  Authority authority = new_authority();
  SpiffeId expected = server_id(domain());
  steeple::runtime::Certificates roots;
  WallTime now = test_now();
  auto verifier = make_server_verifier(expected, [&] { return roots; }, [&] { return now; });
  std::vector<Bytes> chain = presented(new_leaf(authority, expected.text()));
  CHECK(verifier(chain).error().code() == ErrorCode::kUntrusted);
  roots.push_back(authority.certificate);
  CHECK(verifier(chain));
  now += 3h;
  CHECK(verifier(chain).error().code() == ErrorCode::kTls);
  CHECK(make_insecure_server_verifier(expected)(chain));
}

TEST_CASE("SVIDs rotate at half of their life, within ten percent") {
  double drawn = 0.5;
  RotationPolicy policy(0ns, [&] { return drawn; });
  WallTime begin = test_now();
  WallTime end = begin + 1h;
  drawn = 0.0;  // threshold 27 min left
  CHECK_FALSE(policy.should_rotate_x509(end - 27min - 1s, begin, end));
  CHECK(policy.should_rotate_x509(end - 27min, begin, end));
  drawn = 0.999999;  // threshold 33 min left
  CHECK_FALSE(policy.should_rotate_x509(end - 33min - 1s, begin, end));
  CHECK(policy.should_rotate_x509(end - 32min, begin, end));
  CHECK(policy.should_rotate_x509(end, begin, end));
  CHECK(policy.should_rotate_x509(end + 1h, begin, end));
  CHECK(policy.should_renew_jwt(end - 32min, begin, end));
  CHECK_FALSE(policy.should_renew_jwt(end - 34min, begin, end));
  CHECK(policy.should_renew_jwt(end, begin, end));
}

TEST_CASE("The availability target counts when the life is long enough for it") {
  RotationPolicy policy(24h, [] { return 0.5; });
  WallTime begin = test_now();
  WallTime end = begin + 37h;
  CHECK_FALSE(policy.availability_target_ignored(37h));
  CHECK(policy.availability_target_ignored(36h));
  CHECK(policy.should_rotate_x509(end - 24h - 5min, begin, end));
  CHECK_FALSE(policy.should_rotate_x509(end - 24h - 6min, begin, end));
  WallTime short_end = begin + 30h;  // falls back to half of the life
  CHECK_FALSE(policy.should_rotate_x509(short_end - 20h, begin, short_end));
  CHECK(policy.should_rotate_x509(short_end - 15h, begin, short_end));
  CHECK_FALSE(RotationPolicy(0ns, [] { return 0.5; }).availability_target_ignored(1h));
}

TEST_CASE("A certificate that began in the year 1 does not break the rule") {
  RotationPolicy policy(0ns, [] { return 0.5; });
  CHECK(policy.should_rotate_x509(test_now(), WallTime::min(), test_now() + 24h));
}
