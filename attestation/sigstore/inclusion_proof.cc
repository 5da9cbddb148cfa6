#include "attestation/sigstore/inclusion_proof.h"

#include <fmt/format.h>

#include <bit>

#include "runtime/tls/encoding.h"

namespace steeple::attestation {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr std::uint8_t kLeafPrefix = 0;
constexpr std::uint8_t kNodePrefix = 1;

Bytes node_hash(BytesView left, BytesView right) {
  Bytes text{kNodePrefix};
  text.insert(text.end(), left.begin(), left.end());
  text.insert(text.end(), right.begin(), right.end());
  const auto digest = runtime::sha256(text);
  return {digest.begin(), digest.end()};
}

Error refused(std::string text) {
  return Error(ErrorCode::kUnauthenticated, "verifying inclusion proof: " + std::move(text));
}

}  // namespace

Bytes merkle_leaf_hash(BytesView entry) {
  Bytes text{kLeafPrefix};
  text.insert(text.end(), entry.begin(), entry.end());
  const auto digest = runtime::sha256(text);
  return {digest.begin(), digest.end()};
}

Result<void> verify_inclusion(BytesView entry, const InclusionProof& proof) {
  if (proof.leaf_index >= proof.tree_size) {
    return refused(fmt::format("index is beyond size: {} >= {}", proof.leaf_index, proof.tree_size));
  }
  // Up to where the paths of this leaf and of the last one part, a sibling may be on either side; above, on the left.
  const int inner = std::bit_width(proof.leaf_index ^ (proof.tree_size - 1));
  const std::uint64_t above = inner >= 64 ? 0 : proof.leaf_index >> inner;
  const std::size_t wanted = static_cast<std::size_t>(inner + std::popcount(above));
  if (proof.hashes.size() != wanted) {
    return refused(fmt::format("wrong proof size {}, want {}", proof.hashes.size(), wanted));
  }
  Bytes hash = merkle_leaf_hash(entry);
  for (std::size_t level = 0; level < wanted; ++level) {
    const bool left_sibling = level >= static_cast<std::size_t>(inner) || (proof.leaf_index >> level & 1) != 0;
    hash = left_sibling ? node_hash(proof.hashes[level], hash) : node_hash(hash, proof.hashes[level]);
  }
  if (hash == proof.root_hash) return {};
  return refused(fmt::format("calculated root {} does not match expected root {}", runtime::to_hex(hash),
                             runtime::to_hex(proof.root_hash)));
}

}  // namespace steeple::attestation
