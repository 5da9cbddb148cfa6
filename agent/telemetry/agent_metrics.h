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
  void synchronised(std::size_t bundles, std::size_t entries);

 private:
  runtime::Metrics& metrics_;
  runtime::CallMetric attestation_;
  runtime::CallMetric entries_;
  runtime::CallMetric svids_;
  std::map<std::string, runtime::CallMetric, std::less<>> attestors_;
  runtime::Metric* discovered_;
  runtime::Metric* expiring_;
  runtime::Metric* bundles_total_;
  runtime::Metric* entries_total_;
};

}  // namespace steeple::agent
