// What the stock server 1.15.3 issues (golden/grpc/x509-svid-structure.json) against what sign_certificate makes, and
// its bundle document.
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <simdjson.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "agent/spiffe/jwks.h"
#include "agent/spiffe/x509_svid.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::agent;
using namespace steeple::testing;
namespace runtime = steeple::runtime;
namespace dom = simdjson::dom;

namespace {

struct Shape {
  std::vector<std::string> extensions;  // OID, "!" after it when critical
  std::vector<std::string> subject;     // "countryName=US"
};

Shape shape_of(const runtime::Certificate& certificate) {
  Shape shape;
  const X509* x509 = certificate.native();
  for (int i = 0; i < X509_get_ext_count(x509); ++i) {
    X509_EXTENSION* extension = X509_get_ext(x509, i);
    char oid[64];
    OBJ_obj2txt(oid, sizeof oid, X509_EXTENSION_get_object(extension), 1);
    shape.extensions.push_back(std::string(oid) + (X509_EXTENSION_get_critical(extension) ? "!" : ""));
  }
  const X509_NAME* name = X509_get_subject_name(x509);
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const ASN1_STRING* value = X509_NAME_ENTRY_get_data(entry);
    CHECK(ASN1_STRING_type(value) == V_ASN1_PRINTABLESTRING);
    shape.subject.push_back(
        std::string(OBJ_nid2ln(OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)))) + "=" +
        std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)), ASN1_STRING_length(value)));
  }
  return shape;
}

Shape recorded_shape(const dom::element& recording) {
  Shape shape;
  for (dom::element extension : dom::array(recording["extensions_in_order"])) {
    shape.extensions.push_back(std::string(std::string_view(extension["oid"])) +
                               (bool(extension["critical"]) ? "!" : ""));
  }
  for (dom::element attribute : dom::array(recording["subject_attributes_in_order"])) {
    std::string_view text = attribute;
    shape.subject.emplace_back(text.substr(0, text.find(" (PrintableString)")));
  }
  return shape;
}

std::string read(const std::string& name) {
  std::ifstream in(STEEPLE_TEST_DATA "/go-agent/" + name);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

TEST_CASE("Issued certificates have the stock server's extensions and subjects, in its order") {
  dom::parser parser;
  dom::element recording;
  std::string text = read("x509-svid-structure.json");
  REQUIRE(parser.parse(text).get(recording) == simdjson::SUCCESS);
  Authority authority = new_authority();
  runtime::PrivateKey key = new_key();

  runtime::CertificateTemplate plain = leaf_template(key, "spiffe://example.org/workload/one", test_now());
  Shape made = shape_of(sign(plain, authority.key, &authority.certificate));
  Shape recorded = recorded_shape(recording["leaf_without_dns"]);
  CHECK(made.extensions == recorded.extensions);
  CHECK(made.subject == recorded.subject);

  runtime::CertificateTemplate with_dns = plain;
  with_dns.dns_sans = {"b.example.org", "a.example.org"};
  with_dns.subject.push_back({runtime::NameAttribute::Type::kCommonName, "b.example.org"});
  made = shape_of(sign(with_dns, authority.key, &authority.certificate));
  recorded = recorded_shape(recording["leaf"]);
  CHECK(made.extensions == recorded.extensions);
  CHECK(made.subject == recorded.subject);

  runtime::CertificateTemplate root = authority_template(key, test_now());
  root.subject.push_back({runtime::NameAttribute::Type::kSerialNumber, "12345"});
  Shape root_recorded = recorded_shape(recording["root_in_bundle"]);
  CHECK(shape_of(sign(root, key, nullptr)).extensions == root_recorded.extensions);
  CHECK(root_recorded.subject.back().starts_with("serialNumber="));
  CHECK(key.to_pkcs8().size() == static_cast<std::size_t>(std::int64_t(recording["x509_svid_key_len"])));
}

TEST_CASE("The stock server's bundle document is read, and written back byte for byte") {
  std::string document = read("bundle.json");
  auto bundle = parse_bundle_document(*TrustDomain::parse("example.org"), document);
  REQUIRE(bundle);
  CHECK(bundle->x509_authorities().size() == 1);
  CHECK(bundle->jwt_authorities().size() == 1);
  CHECK(bundle->sequence_number() == 1u);
  std::string written = *format_bundle_document(*bundle, true);
  while (document.ends_with('\n')) document.pop_back();
  CHECK(written == document);
}
