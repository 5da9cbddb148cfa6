// The pod index shared by all attestations of the node, and the one place that asks the kubelet. Waiters share a fetch;
// each answer wakes all of them. Owned by the attestor; close() is awaited before it dies. I/O thread only.
#pragma once

#include <memory>

#include "attestation/workload/k8s/fetch_policy.h"
#include "attestation/workload/k8s/kubelet_client.h"
#include "runtime/core/log.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::attestation {

class PodList {
 public:
  struct Counters {
    std::uint64_t fetches = 0, failures = 0;
    std::uint64_t hits = 0, misses = 0;  // callers whose container a young index had, or not
    std::uint64_t outage_answers = 0;    // given from an index older than its age, because the kubelet did not answer
  };
  PodList(runtime::Loop& loop, std::unique_ptr<PodSource> source, FetchPolicy::Limits limits,
          const runtime::Logger& log);

  // The index, if it is young enough to answer without a request.
  const PodIndex* fresh() const;
  // The last good index in an outage; counts and logs an answer that was given from it.
  const PodIndex* last_good() const;
  bool in_outage() const { return policy_.in_outage(); }
  void note_outage_answer();
  void note_look_up(bool hit) { ++(hit ? counters_.hits : counters_.misses); }

  // Asks for a fetch soon, and does not wait for it.
  void want(const std::string& container_id);
  // Waits for the next fetch to end: its index, or its error. kCancelled or kDeadline when the caller gives up; kClosed
  // when the list closes.
  runtime::Task<runtime::Result<std::shared_ptr<const PodIndex>>> next(std::string container_id,
                                                                       runtime::Deadline deadline,
                                                                       runtime::StopToken stop);
  runtime::Task<void> close();
  const Counters& counters() const { return counters_; }
  std::chrono::nanoseconds delay() const { return policy_.delay(); }

 private:
  runtime::Task<void> drive();
  void publish(runtime::Result<std::shared_ptr<const PodIndex>> result);

  runtime::Loop& loop_;
  std::unique_ptr<PodSource> source_;
  FetchPolicy policy_;
  runtime::Logger log_;
  std::shared_ptr<const PodIndex> index_;
  runtime::Error last_error_{runtime::ErrorCode::kUnavailable, ""};
  Counters counters_;
  std::uint64_t outage_logged_ = 0;  // answers of this outage
  std::uint64_t version_ = 0;        // fetches ended
  bool driving_ = false;
  runtime::Signal ended_;  // a fetch
  runtime::Signal sooner_;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::attestation
