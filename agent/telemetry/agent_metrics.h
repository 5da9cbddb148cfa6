// The counters of what the agent does beside serving: attesting callers, synchronising, signing (config-cli 6.2, 6.3).
// Owned by the app; outlives the parts that call it. I/O thread only.
#pragma once

#include <map>
#include <string>

#include "runtime/core/metrics.h"

namespace steeple::agent {

class AgentMetrics {
 public:
  explicit AgentMetrics(runtime::Metrics& metrics);

  // `status` is a gRPC code's name with static storage.
  void attestor_answered(std::string_view attestor, std::string_view status, std::chrono::nanoseconds elapsed);
  void caller_attested(std::string_view status, std::size_t selectors, std::chrono::nanoseconds elapsed);
  void entries_fetched(std::string_view status, std::chrono::nanoseconds elapsed);
  void svids_fetched(std::string_view status, std::chrono::nanoseconds elapsed);
  void svids_expiring(std::size_t count);
  void entries_synced(std::size_t bundles, std::size_t total, std::size_t missing, std::size_t stale,
                      std::size_t dropped);
  void entries_changed(std::uint64_t added, std::uint64_t updated, std::uint64_t removed);  // in the cache, by a pass
  void x509_svids_tainted(std::size_t count, std::chrono::nanoseconds elapsed);
  void jwt_svids_tainted(std::size_t count, std::chrono::nanoseconds elapsed);
  void rate_limit_exceeded(std::string_view full_method);
  void delegated_first_update(std::chrono::nanoseconds elapsed);

 private:
  runtime::Metrics& metrics_;
  runtime::CallMetric attestation_;
  runtime::CallMetric entries_;
  runtime::CallMetric svids_;
  runtime::CallMetric taint_x509_;
  runtime::CallMetric taint_jwt_;
  std::map<std::string, runtime::CallMetric, std::less<>> attestors_;
  runtime::Metric* discovered_;
  runtime::Metric* expiring_;
};

}  // namespace steeple::agent
