// That an entry is in a transparency log: the audit path from its leaf to the root of the log's Merkle tree (RFC 6962,
// 2.1). The root is the log's word and not compared with a signed tree head, as cosign does not. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr std::size_t kAuditPathMax = 128;  // hashes; a tree of 2^63 leaves has 63

struct InclusionProof {
  std::uint64_t leaf_index = 0;  // from 0, of this tree
  std::uint64_t tree_size = 0;   // leaves
  runtime::Bytes root_hash;
  std::vector<runtime::Bytes> hashes;  // from the leaf up
};

runtime::Bytes merkle_leaf_hash(runtime::BytesView entry);

// kUnauthenticated: another root comes out, or the path is not as long as it has to be.
runtime::Result<void> verify_inclusion(runtime::BytesView entry, const InclusionProof& proof);

}  // namespace steeple::attestation
