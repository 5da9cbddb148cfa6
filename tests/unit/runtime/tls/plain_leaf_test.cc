#include "runtime/tls/plain_leaf.h"

#include <catch2/catch.hpp>

#include "runtime/tls/x509.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::runtime;
using namespace steeple::testing;
using std::chrono_literals::operator""h;

namespace {

// What a plain leaf says is what OpenSSL reads.
bool is_read_alike(BytesView der) {
  const auto plain = read_plain_leaf(der);
  const auto whole = Certificate::parse(der);
  if (!plain || !whole) return false;
  CHECK(whole->uri_sans() == std::vector<std::string>{plain->uri});
  CHECK(whole->not_before() == plain->not_before);
  CHECK(whole->not_after() == plain->not_after);
  CHECK(to_bytes(whole->public_key()) == to_bytes(plain->public_key));
  CHECK_FALSE(whole->is_ca());
  CHECK((whole->key_usage().value_or(0) & (kKeyCertSign | kCrlSign)) == 0);
  return true;
}

class Variant {
 public:
  Variant() : wanted(leaf_template(key, "spiffe://example.org/a", test_now())) {}
  Bytes der() const { return to_bytes(sign(wanted, authority.key, &authority.certificate).der()); }
  bool is_plain() const { return read_plain_leaf(der()).has_value(); }

  Authority authority = new_authority();
  PrivateKey key = new_key();
  CertificateTemplate wanted;
};

}  // namespace

TEST_CASE("A plain leaf is read as OpenSSL reads it, whatever its key and its authority's") {
  for (KeyType authority_type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa2048}) {
    for (KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa2048}) {
      const Authority authority = new_authority(test_now(), authority_type);
      const PrivateKey key = new_key(type);
      CertificateTemplate wanted = leaf_template(key, "spiffe://example.org/a", test_now());
      wanted.dns_sans = {"a.example.org"};
      wanted.subject.push_back({NameAttribute::Type::kX500UniqueIdentifier, "0123456789abcdef"});
      const Certificate leaf = sign(wanted, authority.key, &authority.certificate);
      CHECK(is_read_alike(leaf.der()));
      CHECK(to_bytes(read_plain_leaf(leaf.der())->public_key) == key.public_key());
    }
  }
}

TEST_CASE("A leaf of another century is read as OpenSSL reads it") {
  Variant leaf;
  leaf.wanted.not_before = std::chrono::sys_days(std::chrono::year(1999) / 12 / 31) + 23h;
  leaf.wanted.not_after = std::chrono::sys_days(std::chrono::year(2104) / 2 / 29);
  CHECK(is_read_alike(leaf.der()));
}

TEST_CASE("What is out of the ordinary is left to OpenSSL") {
  CHECK(Variant().is_plain());
  Variant nameless, twice, ca, signs_certificates, signs_crls, odd_name, odd_uri;
  nameless.wanted.uri_sans.clear();
  CHECK_FALSE(nameless.is_plain());
  twice.wanted.uri_sans.push_back("spiffe://example.org/b");
  CHECK_FALSE(twice.is_plain());
  ca.wanted.is_ca = true;
  CHECK_FALSE(ca.is_plain());
  signs_certificates.wanted.key_usage |= kKeyCertSign;
  CHECK_FALSE(signs_certificates.is_plain());
  signs_crls.wanted.key_usage |= kCrlSign;
  CHECK_FALSE(signs_crls.is_plain());
  odd_name.wanted.subject.push_back({NameAttribute::Type::kCommonName, "d\xc3\xa9j\xc3\xa0"});
  CHECK_FALSE(odd_name.is_plain());
  odd_uri.wanted.uri_sans = {"spiffe://example.org/\xc3\xa9"};
  CHECK_FALSE(odd_uri.is_plain());
  Bytes trailing = Variant().der();
  trailing.push_back(0);
  CHECK_FALSE(read_plain_leaf(trailing));
  CHECK_FALSE(read_plain_leaf({}));
}

TEST_CASE("A leaf with any byte changed is read as OpenSSL reads it, or not at all") {
  const Bytes der = Variant().der();
  std::size_t read = 0;
  for (std::size_t at = 0; at < der.size(); ++at) {
    CHECK_FALSE(read_plain_leaf(BytesView(der).first(at)));
    for (const int change : {1, 0x20, 0x80}) {
      Bytes changed = der;
      changed[at] = static_cast<std::uint8_t>(changed[at] ^ change);
      const auto plain = read_plain_leaf(changed);
      if (!plain || !public_key_info(plain->public_key)) continue;
      CHECK(is_read_alike(changed));
      ++read;
    }
  }
  CHECK(read > 100);  // of the serial, the names, the key identifiers and the signature
}
