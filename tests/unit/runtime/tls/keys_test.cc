#include "runtime/tls/keys.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <catch2/catch.hpp>

#include "runtime/tls/encoding.h"
#include "runtime/tls/public_key.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::runtime;
using steeple::testing::new_key;

namespace {

// PKCS#8 as OpenSSL's own encoder writes it.
Bytes openssl_pkcs8(const PrivateKey& key) {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key.native());
  unsigned char* der = nullptr;
  int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  Bytes out(der, der + size);
  OPENSSL_clear_free(der, static_cast<std::size_t>(size));
  PKCS8_PRIV_KEY_INFO_free(info);
  return out;
}

Bytes openssl_spki(const PrivateKey& key) {
  unsigned char* der = nullptr;
  int size = i2d_PUBKEY(key.native(), &der);
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

}  // namespace

TEST_CASE("PKCS#8 and public key templates equal OpenSSL's encoders") {
  for (KeyType type : {KeyType::kEcP256, KeyType::kEcP384}) {
    for (int i = 0; i < 40; ++i) {  // often enough to meet a scalar with leading zeros
      PrivateKey key = new_key(type);
      CHECK(to_bytes(key.to_pkcs8().view()) == openssl_pkcs8(key));
      CHECK(key.public_key() == openssl_spki(key));
    }
  }
}

TEST_CASE("A P-256 PKCS#8 key is 138 bytes, a P-384 one 185") {
  CHECK(new_key(KeyType::kEcP256).to_pkcs8().size() == 138);
  CHECK(new_key(KeyType::kEcP384).to_pkcs8().size() == 185);
}

TEST_CASE("Keys come back from PKCS#8 as they were") {
  for (KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa2048}) {
    PrivateKey key = new_key(type);
    auto loaded = PrivateKey::from_pkcs8(key.to_pkcs8().view());
    REQUIRE(loaded);
    CHECK(loaded->type() == type);
    CHECK(loaded->public_key() == key.public_key());
    CHECK(to_bytes(loaded->to_pkcs8().view()) == to_bytes(key.to_pkcs8().view()));
    auto from_pem = PrivateKey::from_pem(key.to_pem());
    REQUIRE(from_pem);
    CHECK(from_pem->public_key() == key.public_key());
  }
}

TEST_CASE("A truncated or altered private key is refused") {
  PrivateKey key = new_key();
  Bytes der = to_bytes(key.to_pkcs8().view());
  for (std::size_t cut = 0; cut < der.size(); ++cut) CHECK_FALSE(PrivateKey::from_pkcs8(BytesView(der).first(cut)));
  Bytes longer = der;
  longer.push_back(0);
  CHECK_FALSE(PrivateKey::from_pkcs8(longer));
  Bytes altered = der;
  altered[40] ^= 1;  // the scalar: no longer that of the public point
  auto mismatch = PrivateKey::from_pkcs8(altered);
  REQUIRE_FALSE(mismatch);
  CHECK(mismatch.error().code() == ErrorCode::kMalformed);
  altered = der;
  altered[100] ^= 1;  // the point: off the curve
  CHECK_FALSE(PrivateKey::from_pkcs8(altered));
}

TEST_CASE("SEC 1 and PKCS#1 blocks load, encrypted and foreign keys do not") {
  const std::string ec =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
      "-----BEGIN EC PRIVATE KEY-----\n"
      "@EC@"
      "-----END EC PRIVATE KEY-----\n";
  PrivateKey key = new_key();
  unsigned char* sec1 = nullptr;
  int size = i2d_PrivateKey(key.native(), &sec1);
  std::string text = ec;
  text.replace(text.find("@EC@"), 4, base64_encode(BytesView(sec1, static_cast<std::size_t>(size))) + "\n");
  auto loaded = PrivateKey::from_pem(text);
  REQUIRE(loaded);
  CHECK(loaded->public_key() == key.public_key());
  CHECK(to_bytes(loaded->to_pkcs8().view()) == to_bytes(key.to_pkcs8().view()));
  OPENSSL_free(sec1);

  PrivateKey rsa = new_key(KeyType::kRsa2048);
  sec1 = nullptr;
  size = i2d_PrivateKey(rsa.native(), &sec1);
  auto from_pkcs1 = PrivateKey::from_pem(to_pem("RSA PRIVATE KEY", BytesView(sec1, static_cast<std::size_t>(size))));
  REQUIRE(from_pkcs1);
  CHECK(from_pkcs1->type() == KeyType::kRsa2048);
  OPENSSL_free(sec1);

  CHECK(PrivateKey::from_pem("").error().code() == ErrorCode::kNotFound);
  CHECK(PrivateKey::from_pem(to_pem("ENCRYPTED PRIVATE KEY", Bytes(40))).error().message() ==
        "private key is encrypted");
  auto ed25519 = PrivateKey::from_pem(
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHRcWYyJqkH7D8KYm3Zg1lRz1jJxWJpHh2NnXbKZ8L0M\n"
      "-----END PRIVATE KEY-----\n");
  REQUIRE_FALSE(ed25519);
  CHECK(ed25519.error().code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("Signatures verify with the right key, scheme and message only") {
  const std::pair<KeyType, SignatureScheme> cases[] = {{KeyType::kEcP256, SignatureScheme::kEcdsaSha256},
                                                       {KeyType::kEcP384, SignatureScheme::kEcdsaSha384},
                                                       {KeyType::kRsa2048, SignatureScheme::kRsaPkcs1Sha256},
                                                       {KeyType::kRsa2048, SignatureScheme::kRsaPssSha256}};
  BytesView message = as_bytes("nonce and nonce");
  for (auto [type, scheme] : cases) {
    PrivateKey key = new_key(type);
    auto signature = key.sign(scheme, message);
    REQUIRE(signature);
    CHECK(verify_signature(key.public_key(), scheme, message, *signature));
    auto other_message = verify_signature(key.public_key(), scheme, as_bytes("other"), *signature);
    REQUIRE_FALSE(other_message);
    CHECK(other_message.error().code() == ErrorCode::kUnauthenticated);
    Bytes altered = *signature;
    altered.back() ^= 1;
    CHECK_FALSE(verify_signature(key.public_key(), scheme, message, altered));
    CHECK_FALSE(verify_signature(key.public_key(), scheme, message, BytesView(*signature).first(10)));
    CHECK_FALSE(verify_signature(new_key().public_key(), SignatureScheme::kEcdsaSha256, message, *signature));
  }
  CHECK(new_key().sign(SignatureScheme::kRsaPssSha256, message).error().code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("ECDSA signatures split into numbers and join again") {
  PrivateKey key = new_key();
  Bytes signature = *key.sign(SignatureScheme::kEcdsaSha256, as_bytes("x"));
  auto parts = split_ecdsa_signature(signature);
  REQUIRE(parts);
  CHECK(parts->r.size() <= 32);
  CHECK(parts->s.size() <= 32);
  CHECK(*join_ecdsa_signature(*parts) == signature);
  CHECK_FALSE(split_ecdsa_signature(BytesView(signature).first(signature.size() - 1)));
  signature.push_back(0);
  CHECK_FALSE(split_ecdsa_signature(signature));
  CHECK_FALSE(join_ecdsa_signature({{}, {1}}));
  CHECK_FALSE(join_ecdsa_signature({Bytes(67, 1), {1}}));
}

TEST_CASE("Public keys are compared by what they are") {
  PrivateKey a = new_key();
  PrivateKey b = new_key();
  CHECK(same_public_key(a.public_key(), a.public_key()));
  CHECK_FALSE(same_public_key(a.public_key(), b.public_key()));
  CHECK_FALSE(same_public_key({}, {}));
  CHECK_FALSE(same_public_key(a.public_key(), BytesView(a.public_key()).first(20)));
  auto numbers = public_key_numbers(a.public_key());
  REQUIRE(numbers);
  Bytes compressed{0x30, 0x39, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                   0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x22, 0x00};
  compressed.push_back(numbers->second.back() & 1 ? 3 : 2);
  compressed.insert(compressed.end(), numbers->first.begin(), numbers->first.end());
  CHECK(same_public_key(a.public_key(), compressed));
}

TEST_CASE("Public keys turn into numbers and back") {
  for (KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa2048}) {
    PrivateKey key = new_key(type);
    auto numbers = public_key_numbers(key.public_key());
    REQUIRE(numbers);
    CHECK(numbers->rsa == is_rsa(type));
    CHECK(*encode_public_key(*numbers) == key.public_key());
  }
  PublicKeyNumbers off_curve{false, 256, Bytes(32, 1), Bytes(32, 1)};
  CHECK_FALSE(encode_public_key(off_curve));
  CHECK_FALSE(encode_public_key({false, 255, Bytes(32, 1), Bytes(32, 1)}));
  CHECK_FALSE(encode_public_key({true, 0, Bytes(64, 0xff), Bytes{1, 0, 1}}));  // RSA 512
  CHECK_FALSE(encode_public_key({true, 0, {}, Bytes{1, 0, 1}}));
}
