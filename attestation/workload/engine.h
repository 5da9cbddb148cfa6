// The combiner (attestation 2.1): asks all configured attestors at once and merges what they found. One that fails is
// logged and its selectors are missing; only when all fail does the attestation fail. Without attestors: success, no
// selectors. Owned by the composition root, outlives every call. I/O thread only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "attestation/workload/attestor.h"
#include "runtime/core/log.h"
#include "runtime/loop/loop.h"
#include "runtime/task/task_group.h"

namespace steeple::attestation {

// Told of each answer, for metrics; `status` is a gRPC code's name with static storage. Both may be empty.
struct AttestationEvents {
  std::function<void(std::string_view attestor, std::string_view status, std::chrono::nanoseconds elapsed)> attestor;
  std::function<void(std::string_view status, std::size_t selectors, std::chrono::nanoseconds elapsed)> caller;
};

class WorkloadEngine {
 public:
  using Attestors = std::vector<std::unique_ptr<WorkloadAttestor>>;
  WorkloadEngine(runtime::Loop& loop, Attestors attestors, const runtime::Logger& log);

  // `process` outlives the task. kCancelled or kDeadline with Go's texts ("context canceled", "context deadline
  // exceeded") when the caller has gone; the error of all attestors, one a line, when all have failed.
  runtime::Task<runtime::Result<Selectors>> attest(const runtime::ProcessHandle& process, runtime::Deadline deadline,
                                                   runtime::StopToken stop);

  void on_events(AttestationEvents events) { events_ = std::move(events); }

  // Takes the place of the attestor of the same name, for calls that begin from now on. The old one is closed once the
  // calls that it serves have ended. Nothing happens without one of that name, and after close().
  void replace(std::unique_ptr<WorkloadAttestor> attestor);

  runtime::Task<void> close();  // of all attestors, after the last attest()
  const std::vector<std::shared_ptr<WorkloadAttestor>>& attestors() const { return attestors_; }

 private:
  class Collector;
  runtime::Task<runtime::Result<Selectors>> attest_by(const runtime::ProcessHandle& process, runtime::Deadline deadline,
                                                      runtime::StopToken stop);
  runtime::Task<runtime::Result<Selectors>> attest_with_all(const runtime::ProcessHandle& process,
                                                            runtime::Deadline deadline, runtime::StopToken stop);
  void log_selectors(pid_t pid, const Selectors& selectors) const;
  runtime::Task<void> retire(std::shared_ptr<WorkloadAttestor> old);

  runtime::Loop& loop_;
  std::vector<std::shared_ptr<WorkloadAttestor>> attestors_;  // shared with the calls under way
  runtime::TaskGroup retiring_;
  AttestationEvents events_;
  runtime::Logger log_;
  pid_t own_pid_;
};

// As upstream prints its list of selectors: `[type:"unix" value:"uid:1000" ...]` and the JSON twin.
runtime::LogRendered render_selectors(const Selectors& selectors);

}  // namespace steeple::attestation
