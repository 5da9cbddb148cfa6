#include "attestation/workload/k8s/fingerprint.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <climits>

namespace steeple::attestation {
namespace {

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
constexpr unsigned char kNonce[12] = {};  // the tags stay here, so one nonce serves all

}  // namespace

struct Fingerprinter::Impl {
  std::unique_ptr<EVP_CIPHER_CTX, ContextFree> context{EVP_CIPHER_CTX_new()};
  bool ready = false;
};

Fingerprinter::Fingerprinter() : impl_(std::make_unique<Impl>()) {
  unsigned char key[16];
  impl_->ready = impl_->context && RAND_bytes(key, sizeof key) == 1 &&
                 EVP_EncryptInit_ex(impl_->context.get(), EVP_aes_128_gcm(), nullptr, key, kNonce) == 1;
  OPENSSL_cleanse(key, sizeof key);
}
Fingerprinter::~Fingerprinter() = default;

std::optional<Fingerprint> Fingerprinter::of(std::string_view text) {
  EVP_CIPHER_CTX* context = impl_->context.get();
  Fingerprint print;
  int size = 0;
  const auto* data = reinterpret_cast<const unsigned char*>(text.data());
  const bool done = impl_->ready && text.size() <= INT_MAX &&
                    EVP_EncryptInit_ex(context, nullptr, nullptr, nullptr, kNonce) == 1 &&
                    EVP_EncryptUpdate(context, nullptr, &size, data, static_cast<int>(text.size())) == 1 &&
                    EVP_EncryptFinal_ex(context, nullptr, &size) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, 16, print.bytes.data()) == 1;
  if (!done) return std::nullopt;
  return print;
}

}  // namespace steeple::attestation
