// What Rekor tells of entries that it was asked for (Rekor's openapi.yaml, LogEntry), and which of them count. Foreign
// input. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "attestation/sigstore/inclusion_proof.h"
#include "attestation/sigstore/rekor_entry.h"
#include "attestation/sigstore/trust_material.h"

namespace steeple::attestation {

inline constexpr std::size_t kRekorAnswerBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kRekorEntriesMax = 128;  // of one answer

struct LoggedEntry {
  std::string uuid;  // of the tree and the leaf, or of the leaf: hex
  RekorEntry entry;
  std::optional<InclusionProof> proof;
};

// kMalformed: not a list of entries. kLimit. Entries of which a part is missing are there without a proof, or without
// what they lack.
runtime::Result<std::vector<LoggedEntry>> parse_rekor_answer(std::string_view json);

// "CODE" and "MESSAGE" of a refusal, as JSON; the start of the text where it is something else.
std::string rekor_refusal(std::string_view json);

// What the caller holds against an entry: its signed timestamp, whether it is of the signature in question.
using RekorEntryCheck = std::function<runtime::Result<void>(const RekorEntry&)>;

// The earliest of those whose leaf hash is the one they are named by, that are proven to be in the log, that are of a
// log in `keys`, and that pass `check`. Upstream's words for none.
runtime::Result<RekorEntry> earliest_entry(const std::vector<LoggedEntry>& entries, const std::vector<LogKey>& keys,
                                           const RekorEntryCheck& check);

}  // namespace steeple::attestation
