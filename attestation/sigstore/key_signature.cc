#include "attestation/sigstore/key_signature.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "runtime/tls/keys.h"

namespace steeple::attestation {

using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::SignatureScheme;

namespace {

struct OpensslFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, OpensslFree>;

Key read_key(BytesView spki) {
  const unsigned char* at = spki.data();
  Key key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  if (key && at != spki.data() + spki.size()) key.reset();
  ERR_clear_error();
  return key;
}

bool on_known_curve(const EVP_PKEY* key) {
  std::array<char, 64> name{};
  std::size_t size = 0;
  bool named = EVP_PKEY_get_group_name(key, name.data(), name.size(), &size) == 1;
  ERR_clear_error();
  std::string_view curve(name.data(), size);
  return named && (curve == "prime256v1" || curve == "secp384r1" || curve == "secp521r1");
}

bool is_supported(const EVP_PKEY* key) {
  int bits = EVP_PKEY_get_bits(key);
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_EC:
      return on_known_curve(key);
    case EVP_PKEY_RSA:
      return bits >= runtime::kRsaBitsMin && bits <= runtime::kRsaBitsMax;
    default:
      return EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
  }
}

Error failed(std::string_view text) { return Error(ErrorCode::kUnauthenticated, std::string(text)); }

Result<void> verify_ecdsa(BytesView spki, BytesView message, BytesView signature) {
  if (runtime::split_ecdsa_signature(signature)) {
    if (runtime::verify_signature(spki, SignatureScheme::kEcdsaSha256, message, signature)) return {};
    return failed("invalid signature when validating ASN.1 encoded signature");
  }
  constexpr std::size_t kSideBySideMax = 132;  // P-521
  if (signature.empty() || signature.size() > kSideBySideMax || signature.size() % 2 != 0) {
    return failed("ecdsa: Invalid IEEE_P1363 encoded bytes");
  }
  BytesView r = signature.first(signature.size() / 2);
  BytesView s = signature.last(signature.size() / 2);
  auto trimmed = [](BytesView number) {
    auto first = std::find_if(number.begin(), number.end(), [](std::uint8_t byte) { return byte != 0; });
    return runtime::Bytes(first, number.end());
  };
  auto joined = runtime::join_ecdsa_signature({trimmed(r), trimmed(s)});
  if (joined && runtime::verify_signature(spki, SignatureScheme::kEcdsaSha256, message, *joined)) return {};
  return failed("invalid signature when validating IEEE_P1363 encoded signature");
}

Result<void> verify_ed25519(EVP_PKEY* key, BytesView message, BytesView signature) {
  std::unique_ptr<EVP_MD_CTX, OpensslFree> context(EVP_MD_CTX_new());
  bool verified =
      context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
      EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
  ERR_clear_error();
  if (verified) return {};
  return failed("failed to verify signature");
}

}  // namespace

Result<void> check_signing_key(BytesView spki) {
  Key key = read_key(spki);
  if (key && is_supported(key.get())) return {};
  return Error(ErrorCode::kInvalidArgument, "unsupported public key type");
}

Result<void> verify_key_signature(BytesView spki, BytesView message, BytesView signature) {
  STEEPLE_CHECK(check_signing_key(spki));
  Key key = read_key(spki);
  int type = EVP_PKEY_get_base_id(key.get());
  if (type == EVP_PKEY_EC) return verify_ecdsa(spki, message, signature);
  if (type == EVP_PKEY_ED25519) return verify_ed25519(key.get(), message, signature);
  if (runtime::verify_signature(spki, SignatureScheme::kRsaPkcs1Sha256, message, signature)) return {};
  return failed("crypto/rsa: verification error");
}

}  // namespace steeple::attestation
