// Which engine serves the Unix sockets, and why not the other. A container runtime's seccomp profile, a sysctl, SELinux
// or an old kernel may forbid io_uring at any step, so the probe does the real thing: a restricted ring that receives a
// byte into a provided buffer. It runs in a forked child first, since a filter may kill. Once, at start, before there
// are threads.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::runtime {

enum class Backend { kIoUring, kEpoll };
enum class BackendPolicy { kAuto, kIoUring, kEpoll };

std::string_view to_string(Backend backend);                        // "io_uring", "epoll"
Result<BackendPolicy> parse_backend_policy(std::string_view text);  // "auto", "io_uring", "epoll"; "" is auto

// How far the probe came. `stage` names the step; signal_number is set when the child was killed there.
class ProbeOutcome {
 public:
  enum class Stage { kDone, kFork, kSetup, kBuffers, kRestrict, kEnable, kReceive };
  ProbeOutcome() = default;
  ProbeOutcome(Stage failed_stage, int error, int signal)
      : stage(failed_stage), error_number(error), signal_number(signal) {}
  bool ok() const { return stage == Stage::kDone; }
  Stage stage = Stage::kDone;
  int error_number = 0;
  int signal_number = 0;
};
ProbeOutcome probe_io_uring();  // forks

// What the refusal is judged by.
class ProbeEnvironment {
 public:
  std::string kernel_release;  // uname -r
  int io_uring_disabled = -1;  // kernel.io_uring_disabled; -1: not there
  int seccomp_mode = -1;       // Seccomp: of /proc/self/status; 2 is a filter
  bool selinux_enforcing = false;
  static ProbeEnvironment of_this_process();
};
// One line that names the likely gate: "kernel.io_uring_disabled=2 (io_uring_setup: operation not permitted)".
std::string explain_refusal(const ProbeOutcome& outcome, const ProbeEnvironment& environment);

class BackendChoice {
 public:
  BackendChoice(Backend chosen, std::string why) : backend(chosen), reason(std::move(why)) {}
  Backend backend;
  std::string reason;  // for the one log line
};
// kAuto: io_uring where the probe passes, else epoll with the reason. kIoUring that is refused is an error that names
// the gate.
Result<BackendChoice> choose_backend(BackendPolicy policy);
Result<BackendChoice> choose_backend(BackendPolicy policy, const ProbeOutcome& outcome,
                                     const ProbeEnvironment& environment);

}  // namespace steeple::runtime
