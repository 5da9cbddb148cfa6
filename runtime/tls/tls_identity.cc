// A TLS identity from PEM, as Go loads one.
#include "runtime/tls/x509.h"

namespace steeple::runtime {

Result<TlsIdentity> tls_identity_from_pem(std::string_view certificates, std::string_view key_pem) {
  STEEPLE_TRY(blocks, parse_pem_blocks(certificates));
  std::vector<Bytes> chain;
  for (const PemBlock& block : blocks)
    if (block.type == "CERTIFICATE") chain.push_back(to_bytes(block.bytes.view()));
  if (chain.empty()) {
    return Error(ErrorCode::kInvalidArgument, "tls: failed to find any PEM data in certificate input");
  }
  STEEPLE_TRY(leaf, Certificate::parse(chain.front()));
  Result<PrivateKey> key = PrivateKey::from_pem(key_pem);
  if (!key && key.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kInvalidArgument, "tls: failed to find any PEM data in key input");
  }
  if (!key) return std::move(key.error());
  if (!same_public_key(leaf.public_key(), key->public_key())) {
    return Error(ErrorCode::kInvalidArgument, "tls: private key does not match public key");
  }
  return TlsIdentity{std::move(chain), std::move(*key)};
}

}  // namespace steeple::runtime
