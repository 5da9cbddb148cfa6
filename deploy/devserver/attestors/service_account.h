// A cluster's service account tokens, checked by the keys that sign them, without an API server (attestation 3.3): the
// legacy claims of a Secret's token, and those of a projected one. Audience and issuer are not looked at, as in SPIRE.
// Pure functions, any thread. Texts are SPIRE's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/clock.h"
#include "runtime/core/result.h"

namespace steeple::devserver {

inline constexpr std::chrono::minutes kTokenLeeway{5};
inline constexpr std::size_t kServiceAccountKeysMax = 100;

struct ServiceAccount {
  std::string name_space;
  std::string name;
  std::string full() const { return name_space + ":" + name; }
};

// SubjectPublicKeyInfo DER of each CERTIFICATE, PUBLIC KEY and RSA PUBLIC KEY block; other blocks are passed over.
// kMalformed for a damaged block and for keys that are neither RSA nor ECDSA, kLimit.
runtime::Result<std::vector<runtime::Bytes>> parse_service_account_keys(std::string_view pem);

// Errors are kInvalidArgument.
runtime::Result<ServiceAccount> verify_service_account_token(std::string_view token,
                                                             const std::vector<runtime::Bytes>& keys,
                                                             runtime::WallTime now);

}  // namespace steeple::devserver
