// The operator's certificate chain and key for x509pop, from files (attestation 3.5). Texts are those of the real
// plugin and of Go's tls.LoadX509KeyPair, since operators search for them. Reads at most kKeyPairFileBytesMax of each
// file.
#pragma once

#include <string>
#include <vector>

#include "attestation/node/x509pop/proof.h"

namespace steeple::attestation::x509pop {

inline constexpr std::size_t kKeyPairFileBytesMax = 1 << 20;

struct KeyPair {
  std::vector<runtime::Bytes> chain;  // DER: the certificate file's, then the intermediates'
  ProofKey key;
};

// `intermediates_path` may be empty or blank. Errors are kInvalidArgument.
runtime::Result<KeyPair> load_key_pair(const std::string& certificate_path, const std::string& private_key_path,
                                       const std::string& intermediates_path);

}  // namespace steeple::attestation::x509pop
