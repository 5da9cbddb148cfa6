#include "attestation/sigstore/tuf/tuf_key.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>

#include "runtime/tls/encoding.h"
#include "runtime/tls/keys.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

using PublicKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

constexpr std::size_t kEd25519Bytes = 32;

Error unusable(std::string_view reason) {
  return Error(ErrorCode::kMalformed, "tuf: error unmarshalling key: " + std::string(reason));
}

Result<Bytes> encode(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return unusable("invalid public key");
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

PublicKey decode(BytesView spki) {
  const unsigned char* at = spki.data();
  PublicKey key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())), EVP_PKEY_free);
  ERR_clear_error();
  return key;
}

Result<Bytes> spki_from_pem(std::string_view pem, int wanted) {
  const auto blocks = runtime::parse_pem_blocks(pem);
  if (!blocks || blocks->empty()) return unusable("invalid PEM value");
  if (blocks->front().type != "PUBLIC KEY") return unusable("invalid block type: " + blocks->front().type);
  const PublicKey key = decode(blocks->front().bytes.view());
  if (!key || EVP_PKEY_base_id(key.get()) != wanted) return unusable("invalid public key");
  const int bits = EVP_PKEY_bits(key.get());
  if (wanted == EVP_PKEY_RSA && (bits < runtime::kRsaBitsMin || bits > runtime::kRsaBitsMax)) {
    return unusable("invalid public key");
  }
  return encode(key.get());
}

Result<Bytes> spki_from_hex(std::string_view hex) {
  const auto raw = runtime::hex_decode(hex);
  if (!raw || raw->size() != kEd25519Bytes) return unusable("unexpected public key length for ed25519 key");
  const PublicKey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw->data(), raw->size()), EVP_PKEY_free);
  if (!key) return unusable("invalid public key");
  return encode(key.get());
}

}  // namespace

Result<TufKey> parse_tuf_key(std::string_view type, std::string_view text) {
  TufKey key;
  Result<Bytes> spki = Error(ErrorCode::kInvalidArgument, "invalid key");
  if (type == "ecdsa" || type == "ecdsa-sha2-nistp256") {
    spki = spki_from_pem(text, EVP_PKEY_EC);
  } else if (type == "rsa") {
    key.type = TufKeyType::kRsaPss;
    spki = spki_from_pem(text, EVP_PKEY_RSA);
  } else if (type == "ed25519") {
    key.type = TufKeyType::kEd25519;
    spki = spki_from_hex(text);
  }
  if (!spki) return std::move(spki.error());
  key.spki = std::move(*spki);
  return key;
}

bool has_signed(const TufKey& key, std::string_view message, BytesView signature) {
  const PublicKey native = decode(key.spki);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_PKEY_CTX* options = nullptr;
  const EVP_MD* digest = key.type == TufKeyType::kEd25519 ? nullptr : EVP_sha256();
  bool good = native && context && EVP_DigestVerifyInit(context.get(), &options, digest, nullptr, native.get()) == 1;
  if (good && key.type == TufKeyType::kRsaPss) {
    good = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_AUTO) == 1;
  }
  const BytesView bytes = runtime::as_bytes(message);
  good = good && EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes.data(), bytes.size()) == 1;
  ERR_clear_error();
  return good;
}

}  // namespace steeple::attestation
