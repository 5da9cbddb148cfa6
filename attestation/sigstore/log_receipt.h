// Whether the log of signatures vouches for a signature: Rekor's signed timestamp over its entry, and that the entry is
// of this signature, this certificate and this payload. Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "attestation/sigstore/rekor_entry.h"
#include "attestation/sigstore/trust_material.h"
#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

// What JSON numbers hold exactly, and a time that nanoseconds hold (the year 2223).
inline constexpr std::int64_t kLogIndexMax = (std::int64_t{1} << 53) - 1;
inline constexpr std::int64_t kIntegratedTimeMax = 8'000'000'000;

// The bundle annotation. kMalformed; kLimit for numbers beyond the above.
runtime::Result<RekorEntry> parse_rekor_bundle(std::string_view json);

struct LoggedParts {
  std::string_view signature;      // base64 as annotated; empty for attestations
  runtime::BytesView certificate;  // DER
  std::string_view payload;        // of the layer
};
// The entry's body is about these parts. kUnauthenticated otherwise.
runtime::Result<void> check_logged_parts(const RekorEntry& entry, const LoggedParts& parts);

// Rekor's signature over the entry's canonical JSON, by the key of the log that the entry names; keys must be ECDSA.
// Gives whether that key is retired.
runtime::Result<bool> verify_signed_entry(const RekorEntry& entry, const std::vector<LogKey>& logs);

}  // namespace steeple::attestation
