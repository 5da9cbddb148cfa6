#include "runtime/engine/probe.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstddef>

namespace steeple::runtime {

namespace {

using Stage = ProbeOutcome::Stage;

// Answers the three io_uring calls with `action`; everything else is allowed.
bool forbid_io_uring(std::uint32_t action) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_io_uring_setup, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_io_uring_register, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

// Probes in a child under a filter, since a filter stays. 0 when the outcome is the expected one.
int probe_under_filter(std::uint32_t action, ProbeOutcome expected) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!forbid_io_uring(action)) ::_exit(2);
    const ProbeOutcome outcome = probe_io_uring();
    const bool same = outcome.stage == expected.stage && outcome.error_number == expected.error_number &&
                      outcome.signal_number == expected.signal_number;
    const bool explained =
        explain_refusal(outcome, ProbeEnvironment::of_this_process()).find("seccomp") != std::string::npos;
    ::_exit(same ? (explained ? 0 : 3) : 4);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

ProbeEnvironment environment(int disabled, int seccomp, bool selinux) {
  ProbeEnvironment made;
  made.kernel_release = "5.15.0";
  made.io_uring_disabled = disabled;
  made.seccomp_mode = seccomp;
  made.selinux_enforcing = selinux;
  return made;
}

}  // namespace

TEST_CASE("probe_io_uring comes to an end, twice alike") {
  const ProbeOutcome first = probe_io_uring();
  const ProbeOutcome second = probe_io_uring();
  CHECK(first.stage == second.stage);
  CHECK(first.error_number == second.error_number);
  if (!first.ok()) WARN(explain_refusal(first, ProbeEnvironment::of_this_process()));
}

TEST_CASE("probe_io_uring reports a seccomp filter that refuses") {
  CHECK(probe_under_filter(SECCOMP_RET_ERRNO | EPERM, ProbeOutcome(Stage::kSetup, EPERM, 0)) == 0);
  CHECK(probe_under_filter(SECCOMP_RET_ERRNO | ENOSYS, ProbeOutcome(Stage::kSetup, ENOSYS, 0)) == 0);
}

TEST_CASE("probe_io_uring survives a seccomp filter that kills") {
  CHECK(probe_under_filter(SECCOMP_RET_KILL_PROCESS, ProbeOutcome(Stage::kSetup, 0, SIGSYS)) == 0);
}

TEST_CASE("explain_refusal names the likely gate") {
  const ProbeOutcome refused(Stage::kSetup, EPERM, 0);
  CHECK(explain_refusal(refused, environment(2, 2, true)) ==
        "sysctl kernel.io_uring_disabled=2 (io_uring_setup: operation not permitted)");
  CHECK(explain_refusal(refused, environment(1, 0, false)) ==
        "sysctl kernel.io_uring_disabled=1 (the process is not in the group kernel.io_uring_group) "
        "(io_uring_setup: operation not permitted)");
  CHECK(explain_refusal(refused, environment(0, 2, true)) ==
        "a seccomp filter (container runtimes' default profiles refuse io_uring) (io_uring_setup: operation not "
        "permitted)");
  CHECK(explain_refusal(ProbeOutcome(Stage::kSetup, EACCES, 0), environment(0, 0, true)) ==
        "SELinux (io_uring_setup: permission denied)");
  CHECK(explain_refusal(ProbeOutcome(Stage::kSetup, EINVAL, 0), environment(-1, 0, false)) ==
        "kernel 5.15.0 (5.19 or later is needed) (io_uring_setup: invalid argument)");
  CHECK(explain_refusal(ProbeOutcome(Stage::kSetup, ENOSYS, 0), environment(-1, 0, false)) ==
        "kernel 5.15.0 without io_uring (io_uring_setup: function not implemented)");
  CHECK(explain_refusal(ProbeOutcome(Stage::kBuffers, ENOMEM, 0), environment(0, 0, false)) ==
        "the limit of locked memory (RLIMIT_MEMLOCK) (io_uring_register buffers: cannot allocate memory)");
  CHECK(explain_refusal(ProbeOutcome(Stage::kSetup, 0, SIGSYS), environment(0, 2, false)) ==
        "a seccomp filter that kills (io_uring_setup: killed by signal 31)");
  CHECK(explain_refusal(ProbeOutcome(Stage::kReceive, ETIMEDOUT, 0), environment(0, 0, false)) ==
        "kernel 5.15.0 (receive into a provided buffer: connection timed out)");
}

TEST_CASE("choose_backend falls back under auto and fails when io_uring is forced") {
  const ProbeOutcome refused(Stage::kSetup, EPERM, 0);
  const ProbeEnvironment where = environment(2, 0, false);
  auto automatic = choose_backend(BackendPolicy::kAuto, refused, where);
  REQUIRE(automatic);
  CHECK(automatic->backend == Backend::kEpoll);
  CHECK(automatic->reason ==
        "io_uring is refused by sysctl kernel.io_uring_disabled=2 (io_uring_setup: operation not permitted)");
  auto forced = choose_backend(BackendPolicy::kIoUring, refused, where);
  REQUIRE_FALSE(forced);
  CHECK(forced.error().message() == automatic->reason);
  auto epoll = choose_backend(BackendPolicy::kEpoll, ProbeOutcome(), where);
  REQUIRE(epoll);
  CHECK(epoll->backend == Backend::kEpoll);
  auto good = choose_backend(BackendPolicy::kAuto, ProbeOutcome(), where);
  REQUIRE(good);
  CHECK(good->backend == Backend::kIoUring);
}

TEST_CASE("parse_backend_policy takes the three words") {
  CHECK(parse_backend_policy("").value() == BackendPolicy::kAuto);
  CHECK(parse_backend_policy("auto").value() == BackendPolicy::kAuto);
  CHECK(parse_backend_policy("io_uring").value() == BackendPolicy::kIoUring);
  CHECK(parse_backend_policy("epoll").value() == BackendPolicy::kEpoll);
  CHECK(parse_backend_policy("uring").error().message() == "unknown I/O backend \"uring\": auto, io_uring or epoll");
}

}  // namespace steeple::runtime
