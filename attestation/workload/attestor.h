// A workload attestor says what it can find out about a process: selectors of its own type (attestation 0, 2). Called
// at the start of each RPC with a handle that pins the process; nothing is remembered between calls unless the
// attestor's page says so. I/O thread only. Errors carry the code and the bare text that the real plugin answers with;
// the engine puts "workloadattestor(NAME): " before it. An attestor that is a plugin of its own process gives the whole
// text, "rpc error: code = C desc = ...". One that fails gives no selectors at all.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "attestation/selector/selector.h"
#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/os/process_handle.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::attestation {

class WorkloadAttestor {
 public:
  virtual ~WorkloadAttestor() = default;
  virtual std::string_view name() const = 0;  // the selectors' type
  // Awaited once, before the first attest(); an error is the bare text of a failed configuration.
  virtual runtime::Task<runtime::Result<void>> prepare(runtime::Deadline, runtime::StopToken) {
    co_return runtime::Result<void>();
  }
  // `process` outlives the task. Ends soon after the deadline or the stop, whichever is first.
  virtual runtime::Task<runtime::Result<Selectors>> attest(const runtime::ProcessHandle& process,
                                                           runtime::Deadline deadline, runtime::StopToken stop) = 0;
  // What it has done since the start, for metrics; names are its own, in snake case.
  struct Figure {
    std::string_view name;
    std::uint64_t total;
  };
  virtual std::vector<Figure> figures() const { return {}; }
  // Awaited once, after the last attest() has ended and before the attestor dies: ends what it has under way.
  virtual runtime::Task<void> close() { co_return; }
};

}  // namespace steeple::attestation
