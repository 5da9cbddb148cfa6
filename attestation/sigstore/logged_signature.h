// What an entry of the log of signatures is about: the body of Rekor's kinds hashedrekord, rekord and dsse 0.0.1, and
// intoto 0.0.1 and 0.0.2. Pure functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

struct LoggedSignature {
  std::optional<std::string> signature;  // base64; intoto 0.0.1 does not tell
  std::string key;                       // PEM: for keyless signing, the signer's certificate
  std::string hash_algorithm;
  std::string hash;  // lower-case hex, of what was signed (signatures) or of the whole envelope (attestations)
};

// From the entry's body, base64. kMalformed; kUnimplemented for another kind or version, "unsupported type".
runtime::Result<LoggedSignature> parse_logged_signature(std::string_view body);

}  // namespace steeple::attestation
