// Who calls: attests the process at the other end of a call, and believes the result only if the process is still the
// one that connected (endpoints 1.4, 1.7; attestation 6.1). Once per RPC; no fact is kept between RPCs. I/O thread
// only.
#pragma once

#include <optional>

#include "agent/endpoints/call_log.h"
#include "attestation/workload/engine.h"
#include "runtime/grpc/call.h"

namespace steeple::agent {

class CallerAttestor {
 public:
  // `engine` outlives this object.
  explicit CallerAttestor(attestation::WorkloadEngine& engine);

  // The selectors, or the status that the call ends with: Unavailable `workload attestation failed`, or the context's
  // when the caller has gone. A caller that is no longer who it was also loses its connection. The reason goes to the
  // log alone.
  runtime::Task<runtime::Result<attestation::Selectors, runtime::grpc::Status>> attest(runtime::grpc::ServerCall& call,
                                                                                       CallLog log);

  // The selectors of a process that the caller names by its number; that it is the right one is the caller's to know.
  // Statuses as of attest().
  runtime::Task<runtime::Result<attestation::Selectors, runtime::grpc::Status>> attest_process(
      pid_t pid, runtime::grpc::ServerCall& call, CallLog log);

  // The agent's own selectors, through all attestors like those of any caller.
  runtime::Task<runtime::Result<attestation::Selectors>> attest_self(runtime::Deadline deadline,
                                                                     runtime::StopToken stop);

  // The agent's own calls (health checks): not rate-limited, and not logged.
  bool is_own(const runtime::grpc::ServerCall& call) const;

 private:
  attestation::WorkloadEngine& engine_;
  runtime::ProcessKeeper keeper_;
  std::optional<runtime::Peer> self_;
  pid_t own_pid_;
};

// The rule `log_selectors` (config-cli 2.2): which selectors may appear in the log. `prefixes` are such as "k8s:ns".
// Sorted, joined by commas; empty when none may.
std::string loggable_selectors(const attestation::Selectors& selectors, const std::vector<std::string>& prefixes);

}  // namespace steeple::agent
