// X509BundlesResponse and JWTBundlesResponse (endpoints 2.2, 2.4): the bundles of an update, encoded once for all
// streams that are told the same.
// The 16 encodings used last are kept. Owned by WorkloadApi. I/O thread only.
#pragma once

#include <vector>

#include "agent/cache/workload_update.h"
#include "runtime/core/shared_bytes.h"

namespace steeple::agent {

inline constexpr std::size_t kBundlesResponsesKept = 16;

enum class BundleKind { kX509, kJwt };  // concatenated DER, JWK Sets

class BundlesResponses {
 public:
  explicit BundlesResponses(BundleKind kind) : kind_(kind) {}
  // The message with its gRPC prefix; empty when the own bundle is not known. A caller without identities is told the
  // own trust domain only.
  runtime::SharedBytes encode(const WorkloadUpdate& update);
  std::size_t kept() const { return kept_.size(); }

 private:
  struct Kept {
    std::vector<SharedBundle> bundles;  // the own one first
    runtime::SharedBytes message;
  };
  BundleKind kind_;
  std::vector<Kept> kept_;  // the one used last at the end
};

}  // namespace steeple::agent
