#include "attestation/node/x509pop/key_pair.h"

#include <algorithm>

#include "runtime/os/file.h"
#include "runtime/tls/key_pair_pem.h"

namespace steeple::attestation::x509pop {

namespace {

using runtime::Bytes;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

// Both files are read before either is parsed, as Go does: a missing file is told before a bad one.
Result<KeyPair> load_pair(const std::string& certificate_path, const std::string& private_key_path) {
  STEEPLE_TRY(certificate_text, runtime::read_file(certificate_path, kKeyPairFileBytesMax));
  STEEPLE_TRY(key_text, runtime::read_file(private_key_path, kKeyPairFileBytesMax));
  Result<ProofKey> key = ProofKey::from_pem(key_text);
  runtime::wipe_memory(key_text.data(), key_text.size());
  STEEPLE_TRY(chain, runtime::certificate_chain_from_pem(certificate_text));
  STEEPLE_TRY(leaf, runtime::Certificate::parse(chain.front()));
  if (!key) return std::move(key.error());
  if (!holds_public_key(leaf.der(), *key)) return invalid("tls: private key does not match public key");
  return KeyPair{std::move(chain), std::move(*key)};
}

Result<std::vector<Bytes>> load_intermediates(const std::string& path) {
  STEEPLE_TRY(text, runtime::read_file(path, kKeyPairFileBytesMax));
  STEEPLE_TRY(certificates, runtime::parse_certificates_pem(text));
  std::vector<Bytes> chain;
  for (const runtime::Certificate& certificate : certificates) chain.push_back(runtime::to_bytes(certificate.der()));
  return chain;
}

bool is_blank(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
}

}  // namespace

Result<KeyPair> load_key_pair(const std::string& certificate_path, const std::string& private_key_path,
                              const std::string& intermediates_path) {
  Result<KeyPair> pair = load_pair(certificate_path, private_key_path);
  if (!pair) return invalid("unable to load keypair: " + pair.error().message());
  if (is_blank(intermediates_path)) return pair;
  Result<std::vector<Bytes>> intermediates = load_intermediates(intermediates_path);
  if (!intermediates) {
    return invalid("unable to load intermediate certificates: " + intermediates.error().message());
  }
  for (Bytes& certificate : *intermediates) pair->chain.push_back(std::move(certificate));
  if (pair->chain.size() > kCertificatesMax) return invalid("unable to load keypair: too many certificates");
  return pair;
}

}  // namespace steeple::attestation::x509pop
