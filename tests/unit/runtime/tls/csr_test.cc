#include "runtime/tls/csr.h"

#include <openssl/x509.h>

#include <catch2/catch.hpp>

#include "tests/fakes/test_pki.h"

using namespace steeple::runtime;
using steeple::testing::new_key;

namespace {

struct RequestFree {
  void operator()(X509_REQ* request) const { X509_REQ_free(request); }
};

std::unique_ptr<X509_REQ, RequestFree> openssl_read(const Bytes& der) {
  const unsigned char* at = der.data();
  std::unique_ptr<X509_REQ, RequestFree> request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (at != der.data() + der.size()) request.reset();
  return request;
}

}  // namespace

TEST_CASE("A CSR reads back in OpenSSL with subject, key and valid signature") {
  for (KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa2048}) {
    PrivateKey key = new_key(type);
    for (std::optional<std::string> uri : {std::optional<std::string>(), std::optional<std::string>("spiffe://a/b")}) {
      Bytes der = *make_csr(key, uri);
      auto request = openssl_read(der);
      REQUIRE(request);
      CHECK(X509_REQ_verify(request.get(), key.native()) == 1);
      CHECK(X509_REQ_get_version(request.get()) == 0);
      char* subject = X509_NAME_oneline(X509_REQ_get_subject_name(request.get()), nullptr, 0);
      CHECK(std::string(subject) == "/C=US/O=SPIRE");
      OPENSSL_free(subject);
      CHECK(X509_REQ_get_attr_count(request.get()) == (uri ? 1 : 0));
      unsigned char* again = nullptr;  // OpenSSL's encoding of it is the same
      int size = i2d_X509_REQ(request.get(), &again);
      CHECK(Bytes(again, again + size) == der);
      OPENSSL_free(again);
    }
  }
}

TEST_CASE("parse_csr gives key, names and whether the signature holds") {
  PrivateKey key = new_key();
  auto csr = parse_csr(*make_csr(key, "spiffe://example.org/workload"));
  REQUIRE(csr);
  CHECK(csr->public_key == key.public_key());
  CHECK(csr->uri_sans == std::vector<std::string>{"spiffe://example.org/workload"});
  CHECK(csr->dns_sans.empty());
  CHECK(csr->subject == "C=US, O=SPIRE");
  CHECK(csr->signature_valid);
  auto named = parse_csr(*make_csr(key, "spiffe://example.org/workload", {"db.test", "www.test"}));
  REQUIRE(named);
  CHECK(named->uri_sans == csr->uri_sans);
  CHECK(named->dns_sans == std::vector<std::string>{"db.test", "www.test"});
  auto plain = parse_csr(*make_csr(key));
  REQUIRE(plain);
  CHECK(plain->uri_sans.empty());
}

TEST_CASE("A truncated CSR is refused, an altered one has no valid signature") {
  Bytes der = *make_csr(new_key(), "spiffe://example.org/workload");
  for (std::size_t cut = 0; cut < der.size(); cut += 3) CHECK_FALSE(parse_csr(BytesView(der).first(cut)));
  Bytes altered = der;
  altered.back() ^= 1;
  auto csr = parse_csr(altered);
  REQUIRE(csr);
  CHECK_FALSE(csr->signature_valid);
  der.push_back(0);
  CHECK_FALSE(parse_csr(der));
  CHECK(parse_csr(Bytes(kCsrSizeMax + 1)).error().code() == ErrorCode::kLimit);
}
