// The payload of k8s_sat and k8s_psat (attestation 3.3, 3.4): {"cluster":"C","token":"T"}, read and written as Go's
// encoding/json does. Sans I/O, any thread.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::attestation::k8s_token {

inline constexpr std::size_t kTokenBytesMax = 64 * 1024;     // some API servers take 16 KiB at most
inline constexpr std::size_t kPayloadBytesMax = 512 * 1024;  // every byte of a token may be escaped

struct AttestationData {
  std::string cluster;
  runtime::SecretBytes token;
};

runtime::SecretBytes format_attestation_data(std::string_view cluster, std::string_view token);

// Absent and null fields are empty; field names match without regard to case. kMalformed, kLimit.
runtime::Result<AttestationData> parse_attestation_data(runtime::BytesView json);

}  // namespace steeple::attestation::k8s_token
