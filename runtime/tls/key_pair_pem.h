// The PEM of a certificate chain and of its key as Go's tls.X509KeyPair reads it: which block counts, and its words for
// what is missing, since operators search for them. Pure functions, any thread. Errors: kMalformed.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/tls/x509.h"

namespace steeple::runtime {

// DER of every CERTIFICATE block, at least one; other blocks are passed over.
Result<std::vector<Bytes>> certificate_chain_from_pem(std::string_view pem);

// The first block of a private key, of any of its formats.
Result<PemBlock> private_key_block_from_pem(std::string_view pem);

}  // namespace steeple::runtime
