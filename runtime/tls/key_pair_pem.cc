#include "runtime/tls/key_pair_pem.h"

#include <algorithm>
#include <string>

namespace steeple::runtime {

namespace {

constexpr std::string_view kCertificate = "CERTIFICATE";

Error missing(std::string text) { return Error(ErrorCode::kMalformed, "tls: " + std::move(text)); }

bool is_private_key(const PemBlock& block) {
  return block.type == "PRIVATE KEY" || block.type.ends_with(" PRIVATE KEY");
}

std::string types_of(const std::vector<PemBlock>& blocks) {
  std::string types;
  for (const PemBlock& block : blocks) types += (types.empty() ? "" : " ") + block.type;
  return "[" + types + "]";
}

}  // namespace

Result<std::vector<Bytes>> certificate_chain_from_pem(std::string_view pem) {
  STEEPLE_TRY(blocks, parse_pem_blocks(pem));
  std::vector<Bytes> chain;
  for (const PemBlock& block : blocks) {
    if (block.type == kCertificate) chain.push_back(to_bytes(block.bytes.view()));
  }
  if (!chain.empty()) return chain;
  if (blocks.empty()) return missing("failed to find any PEM data in certificate input");
  if (blocks.size() == 1 && blocks.front().type.ends_with("PRIVATE KEY")) {
    return missing(
        "failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have "
        "been switched");
  }
  return missing(
      "failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following "
      "types: " +
      types_of(blocks));
}

Result<PemBlock> private_key_block_from_pem(std::string_view pem) {
  STEEPLE_TRY(blocks, parse_pem_blocks(pem));
  const auto found = std::find_if(blocks.begin(), blocks.end(), is_private_key);
  if (found != blocks.end()) return std::move(*found);
  if (blocks.empty()) return missing("failed to find any PEM data in key input");
  if (blocks.size() == 1 && blocks.front().type == kCertificate) {
    return missing("found a certificate rather than a key in the PEM for the private key");
  }
  return missing(
      "failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the "
      "following types: " +
      types_of(blocks));
}

}  // namespace steeple::runtime
