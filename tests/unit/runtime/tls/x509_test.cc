#include "runtime/tls/x509.h"

#include <openssl/x509.h>

#include <catch2/catch.hpp>

#include "runtime/tls/encoding.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::runtime;
using namespace steeple::testing;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""s;

TEST_CASE("A signed certificate says what its template said") {
  Authority authority = new_authority();
  PrivateKey key = new_key();
  CertificateTemplate wanted = leaf_template(key, "spiffe://example.org/a", test_now());
  wanted.serial = Bytes{0x0f, 0xff};
  wanted.dns_sans = {"b.example.org", "a.example.org"};
  wanted.subject.push_back({NameAttribute::Type::kCommonName, "b.example.org"});
  Certificate certificate = sign(wanted, authority.key, &authority.certificate);
  CHECK(certificate.subject() == "CN=b.example.org,O=SPIRE,C=US");
  CHECK(certificate.subject_common_name() == "b.example.org");
  CHECK(certificate.issuer() == "O=SPIFFE,C=US");
  CHECK(certificate.serial_decimal() == "4095");
  CHECK(certificate.serial_hex() == "0fff");
  CHECK(certificate.not_before() == test_now() - 10s);
  CHECK(certificate.not_after() == test_now() + 1h);
  CHECK(certificate.uri_sans() == std::vector<std::string>{"spiffe://example.org/a"});
  CHECK(certificate.dns_sans() == std::vector<std::string>{"b.example.org", "a.example.org"});
  CHECK_FALSE(certificate.is_ca());
  CHECK(certificate.key_usage() == (kDigitalSignature | kKeyEncipherment | kKeyAgreement));
  CHECK(certificate.authority_key_id() == authority.certificate.subject_key_id());
  CHECK(certificate.subject_key_id() == *subject_key_id_of(key.public_key()));
  CHECK(to_bytes(certificate.public_key()) == key.public_key());
  CHECK_FALSE(certificate.is_self_issued());
  CHECK(is_signed_by(certificate, authority.certificate));
  CHECK_FALSE(is_signed_by(certificate, new_authority().certificate));
  CHECK(authority.certificate.is_ca());
  CHECK(authority.certificate.is_self_issued());
  CHECK(authority.certificate.authority_key_id().empty());
}

TEST_CASE("OpenSSL encodes a signed certificate to the same bytes") {
  for (KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa2048}) {
    Authority authority = new_authority(test_now(), type);
    Leaf leaf = new_leaf(authority, "spiffe://example.org/a");
    unsigned char* again = nullptr;
    X509* copy = X509_dup(leaf.certificate.native());
    int size = i2d_X509(copy, &again);
    CHECK(Bytes(again, again + size) == to_bytes(leaf.certificate.der()));
    OPENSSL_free(again);
    X509_free(copy);
    CHECK(verify_chain(leaf.certificate, {}, {authority.certificate}, test_now()));
  }
}

TEST_CASE("Odd but valid certificates load and verify") {
  PrivateKey key = new_key();
  CertificateTemplate wanted = authority_template(key, test_now());
  wanted.key_usage = 0;      // a CA without key usage
  wanted.uri_sans.clear();   // no SAN
  wanted.serial = Bytes{0};  // serial 0
  wanted.not_before = WallTime::min() + 24h;
  Authority odd{key, sign(wanted, key, nullptr)};
  CHECK(odd.certificate.serial_decimal() == "0");
  CHECK(odd.certificate.serial_hex() == "00");
  CHECK_FALSE(odd.certificate.key_usage());
  CHECK(odd.certificate.uri_sans().empty());
  Leaf leaf = new_leaf(odd, "");
  CHECK(verify_chain(leaf.certificate, {}, {odd.certificate}, test_now()));
}

TEST_CASE("A certificate that begins in the year 1 loads, clamped, and verifies") {
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "");
  // The same certificate with another notBefore: 1 January of the year 1, as test suites in Go make them.
  std::string der(as_text(leaf.certificate.der()));
  X509* certificate = X509_dup(leaf.certificate.native());
  ASN1_TIME* begin = ASN1_TIME_new();
  REQUIRE(ASN1_TIME_set_string(begin, "00010101000000Z") == 1);
  X509_set1_notBefore(certificate, begin);
  ASN1_TIME_free(begin);
  REQUIRE(X509_sign(certificate, authority.key.native(), EVP_sha256()) > 0);
  unsigned char* encoded = nullptr;
  int size = i2d_X509(certificate, &encoded);
  auto odd = Certificate::parse(BytesView(encoded, static_cast<std::size_t>(size)));
  OPENSSL_free(encoded);
  X509_free(certificate);
  REQUIRE(odd);
  CHECK(odd->not_before() < WallTime(std::chrono::seconds(0)) - 24h * 365 * 200);
  CHECK(verify_chain(*odd, {}, {authority.certificate}, test_now()));
}

TEST_CASE("A truncated, longer or altered certificate is refused or no longer signed") {
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "spiffe://example.org/a");
  Bytes der = to_bytes(leaf.certificate.der());
  for (std::size_t cut = 0; cut < der.size(); cut += 5) CHECK_FALSE(Certificate::parse(BytesView(der).first(cut)));
  Bytes longer = der;
  longer.push_back(0);
  CHECK(Certificate::parse(longer).error().message() == "x509: trailing data");
  Bytes altered = der;
  altered.back() ^= 1;
  auto unsigned_now = Certificate::parse(altered);
  REQUIRE(unsigned_now);
  auto verified = verify_chain(*unsigned_now, {}, {authority.certificate}, test_now());
  REQUIRE_FALSE(verified);
  CHECK(verified.error().code() == ErrorCode::kUntrusted);
  CHECK(Certificate::parse(Bytes(kCertificateSizeMax + 1)).error().code() == ErrorCode::kLimit);
}

TEST_CASE("Chains split, parse and join") {
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "spiffe://example.org/a");
  Certificates list{leaf.certificate, authority.certificate};
  Bytes joined = concatenate(list);
  CHECK(*parse_certificate_chain(joined) == list);
  CHECK(split_certificate_chain(joined)->size() == 2);
  CHECK(parse_certificate_chain({})->empty());
  CHECK_FALSE(parse_certificate_chain(BytesView(joined).first(joined.size() - 1)));
  joined.push_back(0x30);
  CHECK_FALSE(split_certificate_chain(joined));
}

TEST_CASE("PEM of certificates has clear errors") {
  Authority authority = new_authority();
  std::string pem = to_pem(authority.certificate);
  CHECK(pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
  CHECK(pem.ends_with("-----END CERTIFICATE-----\n"));
  for (std::size_t at = 0, end = 0; (end = pem.find('\n', at)) != std::string::npos; at = end + 1)
    CHECK(end - at <= 64);
  auto two = parse_certificates_pem("a comment\n" + pem + "between\n" + pem);
  REQUIRE(two);
  CHECK(two->size() == 2);
  CHECK(two->front() == authority.certificate);
  CHECK(parse_certificates_pem("").error().message() == "no PEM blocks");
  CHECK(parse_certificates_pem("nothing here").error().message() == "no PEM blocks");
  CHECK(parse_certificates_pem(new_key().to_pem()).error().message() ==
        R"(expected block type "CERTIFICATE"; got "PRIVATE KEY")");
  CHECK(parse_certificates_pem(to_pem("CERTIFICATE", Bytes(5)))
            .error()
            .message()
            .starts_with(R"(unable to parse "CERTIFICATE" PEM block 1: x509: )"));
  std::string cut = pem.substr(0, pem.size() / 2);
  CHECK_FALSE(parse_certificates_pem(cut));
  std::string altered = pem;
  altered[40] = '!';
  CHECK_FALSE(parse_certificates_pem(altered));
}

TEST_CASE("verify_chain tells untrusted from expired") {
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "spiffe://example.org/a");
  Certificates roots{authority.certificate};
  CHECK(verify_chain(leaf.certificate, {}, roots, test_now()));

  auto untrusted = verify_chain(leaf.certificate, {}, {}, test_now());
  REQUIRE_FALSE(untrusted);
  CHECK(untrusted.error().code() == ErrorCode::kUntrusted);
  CHECK(untrusted.error().message() == "x509: certificate signed by unknown authority");

  Authority replaced = new_authority();  // same name, other key
  auto other_key = verify_chain(leaf.certificate, {}, {replaced.certificate}, test_now());
  REQUIRE_FALSE(other_key);
  CHECK(other_key.error().code() == ErrorCode::kUntrusted);
  CHECK(other_key.error().message().starts_with("x509: certificate signed by unknown authority"));

  auto expired = verify_chain(leaf.certificate, {}, roots, test_now() + 2h);
  REQUIRE_FALSE(expired);
  CHECK(expired.error().code() == ErrorCode::kTls);
  CHECK(expired.error().message() ==
        "x509: certificate has expired or is not yet valid: current time 2026-01-02T05:04:05Z is after "
        "2026-01-02T04:04:05Z");
  auto early = verify_chain(leaf.certificate, {}, roots, test_now() - 1h);
  REQUIRE_FALSE(early);
  CHECK(early.error().message().find("is before 2026-01-02T03:03:55Z") != std::string::npos);
  // Expired and unknown: the expiry is told, so nobody takes it for a foreign authority.
  CHECK(verify_chain(leaf.certificate, {}, {}, test_now() + 2h).error().code() == ErrorCode::kTls);
}

TEST_CASE("verify_chain goes through intermediates, and an intermediate may itself be the root") {
  Authority root = new_authority();
  PrivateKey middle_key = new_key();
  CertificateTemplate wanted = authority_template(middle_key, test_now());
  wanted.subject = {{NameAttribute::Type::kOrganization, "middle"}};
  Authority middle{middle_key, sign(wanted, root.key, &root.certificate)};
  Leaf leaf = new_leaf(middle, "spiffe://example.org/a");
  CHECK(verify_chain(leaf.certificate, {middle.certificate}, {root.certificate}, test_now()));
  CHECK(verify_chain(leaf.certificate, {}, {middle.certificate}, test_now()));
  CHECK(verify_chain(leaf.certificate, {}, {root.certificate}, test_now()).error().code() == ErrorCode::kUntrusted);
  // Roots of both names are found among many.
  Certificates many;
  for (int i = 0; i < 5; ++i) many.push_back(new_authority().certificate);
  many.push_back(root.certificate);
  CHECK(verify_chain(leaf.certificate, {middle.certificate}, many, test_now()));
}

TEST_CASE("verify_chain refuses an issuer that is no CA, and an expired issuer as expired") {
  Authority root = new_authority();
  Leaf not_ca = new_leaf(root, "spiffe://example.org/a");
  PrivateKey key = new_key();
  Certificate below = sign(leaf_template(key, "spiffe://example.org/b", test_now()), not_ca.key, &not_ca.certificate);
  auto verified = verify_chain(below, {not_ca.certificate}, {root.certificate}, test_now());
  REQUIRE_FALSE(verified);

  PrivateKey short_key = new_key();
  CertificateTemplate wanted = authority_template(short_key, test_now());
  wanted.not_after = test_now() + 1min;
  Authority short_lived{short_key, sign(wanted, short_key, nullptr)};
  Leaf leaf = new_leaf(short_lived, "spiffe://example.org/a");
  auto late = verify_chain(leaf.certificate, {}, {short_lived.certificate}, test_now() + 10min);
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == ErrorCode::kTls);
  CHECK(late.error().message().find("is after 2026-01-02T03:05:05Z") != std::string::npos);
}

TEST_CASE("A template that ends before it begins is refused") {
  PrivateKey key = new_key();
  CertificateTemplate wanted = authority_template(key, test_now());
  wanted.not_after = wanted.not_before - 1s;
  CHECK(sign_certificate(wanted, key, nullptr).error().code() == ErrorCode::kInvalidArgument);
}
