// The agent's own health as its HTTP listener tells it (endpoints 7), without I/O: the result of each check goes in,
// the cached answer and the log lines come out, in SPIRE's words and order. I/O thread only.
#pragma once

#include <optional>
#include <string>

#include "runtime/core/clock.h"
#include "runtime/core/log.h"
#include "runtime/http1/message.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kHealthCheckIntervalStarting{1};  // until ready and live for the first time
inline constexpr std::chrono::seconds kHealthCheckInterval{60};

class AgentHealth {
 public:
  // `log` has subsystem_name=health. `apis_enabled`: the Workload API or SDS is served.
  AgentHealth(const runtime::Clock& clock, bool apis_enabled, runtime::Logger log);

  // One check's result. `started`: the agent has an identity and has synchronised. `available`: the Workload API
  // answers; without APIs it does not count.
  void record(bool started, bool available);

  std::chrono::nanoseconds next_check_in() const;
  runtime::HttpReply live() const;  // 200 or 500; before the first check 500 and {"agent":null}
  runtime::HttpReply ready() const;

 private:
  struct State {
    bool started = false;
    bool live = false;
    bool ready = false;
    std::string live_error;
    std::string ready_error;
    bool has_details = false;
    std::string failure() const;  // empty: none
    runtime::LogRendered details() const;
  };
  void log_change(const State& state);

  const runtime::Clock& clock_;
  bool apis_enabled_;
  runtime::Logger log_;
  State state_;
  bool steady_ = false;                  // has been ready and live
  std::string failure_;                  // of the last check
  std::int64_t failures_ = 0;            // in a row
  runtime::SteadyTime first_failure_{};  // of those
  std::string failure_while_starting_;   // the last one told
};

}  // namespace steeple::agent
