#include "attestation/workload/k8s/pod_list.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopReason;
using runtime::StopToken;
using runtime::Task;

PodList::PodList(runtime::Loop& loop, std::unique_ptr<PodSource> source, FetchPolicy::Limits limits,
                 const runtime::Logger& log)
    : loop_(loop), source_(std::move(source)), policy_(limits), log_(log), ended_(loop), sooner_(loop), tasks_(loop) {}

const PodIndex* PodList::fresh() const { return policy_.fresh(loop_.now()) ? index_.get() : nullptr; }

const PodIndex* PodList::last_good() const { return policy_.usable_in_outage(loop_.now()) ? index_.get() : nullptr; }

void PodList::note_outage_answer() {
  ++counters_.outage_answers;
  if (++outage_logged_ == 1) {
    log_.warning("Kubelet does not answer; known containers are answered from the last pod list",
                 {{"error", last_error_}});
  }
}

void PodList::want(const std::string& container_id) {
  policy_.miss(container_id, loop_.now());
  if (driving_) {
    sooner_.notify();
  } else {
    driving_ = tasks_.spawn(drive()) && driving_;
  }
}

Task<void> PodList::drive() {
  driving_ = true;
  while (policy_.wanted() && !tasks_.closed()) {
    const runtime::SteadyTime start = policy_.next_start(loop_.now());
    if (start > loop_.now()) {
      Result<void> waited = co_await sooner_.wait(Deadline(start), tasks_.token());
      if (!waited && waited.error().code() == ErrorCode::kCancelled) break;
      continue;
    }
    policy_.started(loop_.now());
    ++counters_.fetches;
    publish(co_await source_->fetch(tasks_.token()));
  }
  driving_ = false;
}

void PodList::publish(Result<std::shared_ptr<const PodIndex>> result) {
  policy_.finished(result.has_value(), loop_.now());
  ++version_;
  if (result) {
    index_ = std::move(*result);
    if (outage_logged_ > 0) log_.info("Kubelet answers again", {{"answers_from_last_list", outage_logged_}});
    outage_logged_ = 0;
  } else {
    ++counters_.failures;
    last_error_ = std::move(result.error());
  }
  ended_.notify();
}

Task<Result<std::shared_ptr<const PodIndex>>> PodList::next(std::string container_id, Deadline deadline,
                                                            StopToken stop) {
  const std::uint64_t seen = version_;
  want(container_id);
  while (version_ == seen) {
    if (tasks_.closed()) co_return Error(ErrorCode::kClosed, "pod list fetcher is closed");
    STEEPLE_CO_CHECK(co_await ended_.wait(deadline, stop));
  }
  if (policy_.in_outage()) co_return last_error_;
  co_return index_;
}

Task<void> PodList::close() {
  tasks_.close(StopReason::kShutdown);
  ended_.notify();
  co_await tasks_.join();
}

}  // namespace steeple::attestation
