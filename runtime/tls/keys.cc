#include "runtime/tls/keys.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <optional>

#include "runtime/tls/encoding.h"
#include "runtime/tls/openssl_handles.h"
#include "runtime/tls/x509.h"

namespace steeple::runtime {
namespace {

// Go's PKCS#8 of an EC key: the curve in the algorithm identifier, an ECPrivateKey without parameters, with public key.
constexpr std::uint8_t kP256Pkcs8Head[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86,
                                           0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
                                           0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20};
constexpr std::uint8_t kP256Pkcs8Middle[] = {0xa1, 0x44, 0x03, 0x42, 0x00};
constexpr std::uint8_t kP384Pkcs8Head[] = {0x30, 0x81, 0xb6, 0x02, 0x01, 0x00, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
                                           0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22,
                                           0x04, 0x81, 0x9e, 0x30, 0x81, 0x9b, 0x02, 0x01, 0x01, 0x04, 0x30};
constexpr std::uint8_t kP384Pkcs8Middle[] = {0xa1, 0x64, 0x03, 0x62, 0x00};
constexpr std::uint8_t kP256SpkiHead[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                          0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
constexpr std::uint8_t kP384SpkiHead[] = {0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
                                          0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00};

void append(Bytes& out, BytesView part) { out.insert(out.end(), part.begin(), part.end()); }

std::optional<KeyType> type_of(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "EC")) {
    char group[32] = {};
    std::size_t size = 0;
    if (EVP_PKEY_get_group_name(key, group, sizeof group, &size) != 1) return std::nullopt;
    std::string_view name(group, size);
    if (name == "prime256v1" || name == "P-256") return KeyType::kEcP256;
    if (name == "secp384r1" || name == "P-384") return KeyType::kEcP384;
    if (name == "secp521r1" || name == "P-521") return KeyType::kEcP521;
  } else if (EVP_PKEY_is_a(key, "RSA")) {
    int bits = EVP_PKEY_get_bits(key);
    if (bits == 2048) return KeyType::kRsa2048;
    if (bits == 4096) return KeyType::kRsa4096;
    if (bits >= kRsaBitsMin && bits <= kRsaBitsMax) return KeyType::kRsaOther;
  }
  return std::nullopt;
}

struct Encoded {
  SecretBytes pkcs8;
  Bytes spki;
};

Result<Encoded> encode_ec(EVP_PKEY* key, KeyType type) {
  bool p256 = type == KeyType::kEcP256;
  std::size_t scalar_size = p256 ? 32 : 48;
  std::array<std::uint8_t, 97> point;
  std::size_t point_size = 0;
  if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size(), &point_size) != 1 ||
      point_size != 1 + 2 * scalar_size) {
    return openssl_error(ErrorCode::kInternal, "encode public key");
  }
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &raw) != 1) {
    return openssl_error(ErrorCode::kMalformed, "private key without its secret part");
  }
  OpensslPtr<BIGNUM> scalar(raw);
  std::array<std::uint8_t, 48> secret;
  bool fits = BN_bn2binpad(scalar.get(), secret.data(), static_cast<int>(scalar_size)) == static_cast<int>(scalar_size);
  BytesView public_point = BytesView(point).first(point_size);
  Bytes pkcs8;
  pkcs8.reserve(185);
  append(pkcs8, p256 ? BytesView(kP256Pkcs8Head) : BytesView(kP384Pkcs8Head));
  append(pkcs8, BytesView(secret).first(scalar_size));
  append(pkcs8, p256 ? BytesView(kP256Pkcs8Middle) : BytesView(kP384Pkcs8Middle));
  append(pkcs8, public_point);
  Encoded encoded{SecretBytes(std::move(pkcs8)), to_bytes(p256 ? BytesView(kP256SpkiHead) : BytesView(kP384SpkiHead))};
  append(encoded.spki, public_point);
  wipe_memory(secret.data(), secret.size());
  if (!fits) return Error(ErrorCode::kMalformed, "private key is out of range");
  return encoded;
}

Result<Encoded> encode_other(EVP_PKEY* key) {
  OpensslPtr<PKCS8_PRIV_KEY_INFO> info(EVP_PKEY2PKCS8(key));
  unsigned char* data = nullptr;
  int size = info ? i2d_PKCS8_PRIV_KEY_INFO(info.get(), &data) : -1;
  if (size <= 0) return openssl_error(ErrorCode::kInternal, "encode private key");
  Encoded encoded{SecretBytes(BytesView(data, static_cast<std::size_t>(size))), {}};
  OPENSSL_clear_free(data, static_cast<std::size_t>(size));
  data = nullptr;
  size = i2d_PUBKEY(key, &data);
  if (size <= 0) return openssl_error(ErrorCode::kInternal, "encode public key");
  encoded.spki.assign(data, data + size);
  OPENSSL_free(data);
  return encoded;
}

// One context for each thread and curve: setting one up costs as much as the key.
EVP_PKEY_CTX* ec_generator(KeyType type) {
  thread_local OpensslPtr<EVP_PKEY_CTX> generators[2];
  OpensslPtr<EVP_PKEY_CTX>& generator = generators[type == KeyType::kEcP256 ? 0 : 1];
  if (generator) return generator.get();
  generator.reset(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  int curve = type == KeyType::kEcP256 ? NID_X9_62_prime256v1 : NID_secp384r1;
  if (!generator || EVP_PKEY_keygen_init(generator.get()) != 1 ||
      EVP_PKEY_CTX_set_ec_paramgen_curve_nid(generator.get(), curve) != 1) {
    generator.reset();
  }
  return generator.get();
}

OpensslPtr<EVP_PKEY_CTX> rsa_generator(int bits) {
  OpensslPtr<EVP_PKEY_CTX> generator(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  if (!generator || EVP_PKEY_keygen_init(generator.get()) != 1 ||
      EVP_PKEY_CTX_set_rsa_keygen_bits(generator.get(), bits) != 1) {
    return nullptr;
  }
  return generator;
}

Error unsupported_key() {
  return Error(ErrorCode::kInvalidArgument, "unsupported type of private key; expected EC P-256, P-384, P-521 or RSA");
}

// A key that came from outside: its halves must belong together, and its point is encoded uncompressed, as Go does.
Result<void> check_loaded(EVP_PKEY* key) {
  if (!type_of(key)) {
    clear_openssl_errors();
    return unsupported_key();
  }
  OpensslPtr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!context || EVP_PKEY_pairwise_check(context.get()) != 1) {
    return openssl_error(ErrorCode::kMalformed, "private key does not match its public part");
  }
  if (EVP_PKEY_is_a(key, "EC")) {
    EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed");
  }
  return {};
}

}  // namespace

struct PrivateKey::Impl {
  OpensslPtr<EVP_PKEY> key;
  KeyType type;
  SecretBytes pkcs8;
  Bytes spki;
};

std::string_view to_string(KeyType type) {
  switch (type) {
    case KeyType::kEcP256:
      return "ec-p256";
    case KeyType::kEcP384:
      return "ec-p384";
    case KeyType::kRsa2048:
      return "rsa-2048";
    case KeyType::kRsa4096:
      return "rsa-4096";
    case KeyType::kEcP521:
      return "ec-p521";
    case KeyType::kRsaOther:
      return "rsa";
  }
  return "unknown";
}

bool is_rsa(KeyType type) {
  return type == KeyType::kRsa2048 || type == KeyType::kRsa4096 || type == KeyType::kRsaOther;
}

Result<PrivateKey> PrivateKey::adopt(evp_pkey_st* raw) {
  auto impl = std::make_shared<Impl>();
  impl->key.reset(raw);
  std::optional<KeyType> type = type_of(raw);
  if (!type) {
    clear_openssl_errors();
    return unsupported_key();
  }
  impl->type = *type;
  bool has_template = *type == KeyType::kEcP256 || *type == KeyType::kEcP384;
  STEEPLE_TRY(encoded, has_template ? encode_ec(raw, *type) : encode_other(raw));
  impl->pkcs8 = std::move(encoded.pkcs8);
  impl->spki = std::move(encoded.spki);
  return PrivateKey(std::move(impl));
}

Result<PrivateKey> PrivateKey::generate(KeyType type) {
  OpensslPtr<EVP_PKEY_CTX> rsa;
  EVP_PKEY_CTX* generator = nullptr;
  if (type == KeyType::kEcP256 || type == KeyType::kEcP384) {
    generator = ec_generator(type);
  } else if (type == KeyType::kRsa2048 || type == KeyType::kRsa4096) {
    rsa = rsa_generator(type == KeyType::kRsa2048 ? 2048 : 4096);
    generator = rsa.get();
  }
  EVP_PKEY* raw = nullptr;
  if (generator == nullptr || EVP_PKEY_keygen(generator, &raw) != 1) {
    return openssl_error(ErrorCode::kInternal, "generate key");
  }
  return adopt(raw);
}

Result<PrivateKey> PrivateKey::from_pkcs8(BytesView der) {
  const unsigned char* at = der.data();
  OpensslPtr<PKCS8_PRIV_KEY_INFO> info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, static_cast<long>(der.size())));
  if (!info) return openssl_error(ErrorCode::kMalformed, "parse PKCS#8 private key");
  if (at != der.data() + der.size()) return Error(ErrorCode::kMalformed, "parse PKCS#8 private key: trailing data");
  OpensslPtr<EVP_PKEY> key(EVP_PKCS82PKEY(info.get()));
  if (!key) return openssl_error(ErrorCode::kMalformed, "parse PKCS#8 private key");
  STEEPLE_CHECK(check_loaded(key.get()));
  return adopt(key.release());
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  STEEPLE_TRY(blocks, parse_pem_blocks(pem));
  for (const PemBlock& block : blocks) {
    if (block.type == "PRIVATE KEY") return from_pkcs8(block.bytes.view());
    if (block.type == "ENCRYPTED PRIVATE KEY") return Error(ErrorCode::kInvalidArgument, "private key is encrypted");
    bool ec = block.type == "EC PRIVATE KEY";
    if (!ec && block.type != "RSA PRIVATE KEY") continue;
    const unsigned char* at = block.bytes.view().data();
    OpensslPtr<EVP_PKEY> key(
        d2i_PrivateKey(ec ? EVP_PKEY_EC : EVP_PKEY_RSA, nullptr, &at, static_cast<long>(block.bytes.size())));
    if (!key) return openssl_error(ErrorCode::kMalformed, "parse \"" + block.type + "\" block");
    STEEPLE_CHECK(check_loaded(key.get()));
    return adopt(key.release());
  }
  return Error(ErrorCode::kNotFound, "no private key in PEM");
}

KeyType PrivateKey::type() const { return impl_->type; }
const Bytes& PrivateKey::public_key() const { return impl_->spki; }
const SecretBytes& PrivateKey::to_pkcs8() const { return impl_->pkcs8; }
std::string PrivateKey::to_pem() const { return runtime::to_pem("PRIVATE KEY", impl_->pkcs8.view()); }
evp_pkey_st* PrivateKey::native() const { return impl_->key.get(); }

SignatureScheme PrivateKey::default_scheme() const {
  if (is_rsa(impl_->type)) return SignatureScheme::kRsaPkcs1Sha256;
  return impl_->type == KeyType::kEcP256 ? SignatureScheme::kEcdsaSha256 : SignatureScheme::kEcdsaSha384;
}

}  // namespace steeple::runtime
