#include "runtime/engine/probe.h"

#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "runtime/engine/ring.h"
#include "runtime/os/file.h"

namespace steeple::runtime {

namespace {

using Stage = ProbeOutcome::Stage;

constexpr int kProbeTimeoutMs = 5000;
constexpr int kReceiveTimeoutMs = 1000;

// What the child tells through its pipe: how far it is, and at last how it ended.
struct Report {
  Stage stage;
  int error_number;
};

class ProbeReceive : public RingOp {
 public:
  ProbeReceive() : RingOp(&completed) {}
  std::int32_t result = 0;
  std::uint32_t flags = 0;
  bool done = false;

 private:
  static void completed(RingOp& op, std::int32_t op_result, std::uint32_t op_flags) {
    auto& self = static_cast<ProbeReceive&>(op);
    self.result = op_result;
    self.flags = op_flags;
    self.done = true;
  }
};

// A receive that waits, is woken by the peer's byte, told through the eventfd, and finds it in a provided buffer.
int receive_one_byte(Ring& ring) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return errno;
  FileDescriptor ours(pair[0]), theirs(pair[1]);
  ProbeReceive receive;
  io_uring_sqe* submission = ring.prepare(&receive);
  io_uring_prep_recv(submission, ours.get(), nullptr, ring.buffer_bytes(), 0);
  submission->flags |= IOSQE_BUFFER_SELECT;
  submission->buf_group = 0;
  ring.turn(1);
  if (!receive.done) {
    if (::write(theirs.get(), "x", 1) != 1) return errno;
    pollfd event{ring.event_fd(), POLLIN, 0};
    if (::poll(&event, 1, kReceiveTimeoutMs) != 1) return ETIMEDOUT;
    ring.turn(1);
  }
  if (!receive.done) return ETIMEDOUT;
  if (receive.result < 0) return -receive.result;
  if (receive.result != 1 || (receive.flags & IORING_CQE_F_BUFFER) == 0) return EPROTO;
  return *ring.buffer(receive.flags >> IORING_CQE_BUFFER_SHIFT) == 'x' ? 0 : EPROTO;
}

Stage stage_of(Ring::Step step) {
  switch (step) {
    case Ring::Step::kSetup:
      return Stage::kSetup;
    case Ring::Step::kBuffers:
      return Stage::kBuffers;
    case Ring::Step::kRestrict:
      return Stage::kRestrict;
    case Ring::Step::kEnable:
      return Stage::kEnable;
  }
  return Stage::kSetup;
}

void tell(int pipe, Stage stage, int error_number) {
  const Report report{stage, error_number};
  (void)!::write(pipe, &report, sizeof report);
}

[[noreturn]] void probe_in_child(int pipe) {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);  // a filter that kills shall not leave a core file
  tell(pipe, Stage::kSetup, -1);
  Ring::Options small;
  small.entries = 8;
  small.buffers = 8;
  auto ring = Ring::open(small);
  if (!ring) {
    tell(pipe, stage_of(ring.error().step), ring.error().error_number);
    ::_exit(1);
  }
  tell(pipe, Stage::kReceive, -1);
  const int error_number = receive_one_byte(**ring);
  tell(pipe, error_number == 0 ? Stage::kDone : Stage::kReceive, error_number);
  ::_exit(0);
}

// Reads reports until the child has ended or the time is up; the last one counts. An error of -1 is not an end.
Report read_reports(int pipe) {
  Report last{Stage::kFork, -1};
  for (;;) {
    pollfd waited{pipe, POLLIN, 0};
    const int ready = ::poll(&waited, 1, kProbeTimeoutMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return Report{last.stage, ETIMEDOUT};
    Report report;
    const ssize_t size = ::read(pipe, &report, sizeof report);
    if (size < 0 && errno == EINTR) continue;
    if (size != sizeof report) return last;
    last = report;
  }
}

std::string_view step_name(Stage stage) {
  switch (stage) {
    case Stage::kDone:
      return "done";
    case Stage::kFork:
      return "fork";
    case Stage::kSetup:
      return "io_uring_setup";
    case Stage::kBuffers:
      return "io_uring_register buffers";
    case Stage::kRestrict:
      return "io_uring_register restrictions";
    case Stage::kEnable:
      return "io_uring_register enable";
    case Stage::kReceive:
      return "receive into a provided buffer";
  }
  return "probe";
}

std::string gate_of_refusal(const ProbeEnvironment& environment) {
  if (environment.io_uring_disabled == 2) return "sysctl kernel.io_uring_disabled=2";
  if (environment.io_uring_disabled == 1) {
    return "sysctl kernel.io_uring_disabled=1 (the process is not in the group kernel.io_uring_group)";
  }
  if (environment.seccomp_mode == 2) return "a seccomp filter (container runtimes' default profiles refuse io_uring)";
  if (environment.selinux_enforcing) return "SELinux";
  return "a security module or filter";
}

std::string likely_gate(const ProbeOutcome& outcome, const ProbeEnvironment& environment) {
  if (outcome.signal_number != 0) return "a seccomp filter that kills";
  if (outcome.stage == Stage::kFork) return "no process for the probe";
  switch (outcome.error_number) {
    case EPERM:
    case EACCES:
      return gate_of_refusal(environment);
    case ENOSYS:
      if (environment.seccomp_mode == 2)
        return "a seccomp filter, or kernel " + environment.kernel_release + " without io_uring";
      return "kernel " + environment.kernel_release + " without io_uring";
    case EINVAL:
      return "kernel " + environment.kernel_release + " (5.19 or later is needed)";
    case ENOMEM:
      return "the limit of locked memory (RLIMIT_MEMLOCK)";
    case EMFILE:
    case ENFILE:
      return "the limit of open files";
    default:
      return "kernel " + environment.kernel_release;
  }
}

int read_small_number(const std::string& path) {
  Result<std::string> text = read_file(path, 64);
  int number = -1;
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

}  // namespace

std::string_view to_string(Backend backend) { return backend == Backend::kIoUring ? "io_uring" : "epoll"; }

Result<BackendPolicy> parse_backend_policy(std::string_view text) {
  if (text.empty() || text == "auto") return BackendPolicy::kAuto;
  if (text == "io_uring") return BackendPolicy::kIoUring;
  if (text == "epoll") return BackendPolicy::kEpoll;
  return Error(ErrorCode::kInvalidArgument,
               "unknown I/O backend \"" + std::string(text) + "\": auto, io_uring or epoll");
}

ProbeOutcome probe_io_uring() {
  int pipes[2];
  if (::pipe2(pipes, O_CLOEXEC) != 0) return ProbeOutcome(Stage::kFork, errno, 0);
  FileDescriptor reader(pipes[0]), writer(pipes[1]);
  const pid_t child = ::fork();
  if (child < 0) return ProbeOutcome(Stage::kFork, errno, 0);
  if (child == 0) probe_in_child(writer.get());
  writer.reset();
  const Report last = read_reports(reader.get());
  if (last.error_number == ETIMEDOUT) ::kill(child, SIGKILL);
  int status = 0;
  pid_t waited;
  do {
    waited = ::waitpid(child, &status, 0);
  } while (waited < 0 && errno == EINTR);
  if (last.error_number >= 0) return ProbeOutcome(last.stage, last.error_number, 0);
  // It ended without a word. Where children are not waited for, the signal cannot be known.
  return ProbeOutcome(last.stage, 0, waited == child && WIFSIGNALED(status) ? WTERMSIG(status) : SIGKILL);
}

ProbeEnvironment ProbeEnvironment::of_this_process() {
  ProbeEnvironment environment;
  utsname names{};
  if (::uname(&names) == 0) environment.kernel_release = names.release;
  environment.io_uring_disabled = read_small_number("/proc/sys/kernel/io_uring_disabled");
  environment.selinux_enforcing = read_small_number("/sys/fs/selinux/enforce") == 1;
  if (Result<std::string> status = read_file("/proc/self/status", 1u << 20); status) {
    constexpr std::string_view kKey = "\nSeccomp:\t";
    if (std::size_t at = status->find(kKey); at != std::string::npos) {
      const char* start = status->data() + at + kKey.size();
      std::from_chars(start, status->data() + status->size(), environment.seccomp_mode);
    }
  }
  return environment;
}

std::string explain_refusal(const ProbeOutcome& outcome, const ProbeEnvironment& environment) {
  std::string text = likely_gate(outcome, environment);
  text.append(" (").append(step_name(outcome.stage)).append(": ");
  text += outcome.signal_number != 0 ? "killed by signal " + std::to_string(outcome.signal_number)
                                     : go_errno_text(outcome.error_number);
  return text + ")";
}

Result<BackendChoice> choose_backend(BackendPolicy policy, const ProbeOutcome& outcome,
                                     const ProbeEnvironment& environment) {
  if (policy == BackendPolicy::kEpoll) return BackendChoice(Backend::kEpoll, "configured");
  if (outcome.ok()) {
    return BackendChoice(Backend::kIoUring, policy == BackendPolicy::kIoUring ? "configured" : "available");
  }
  std::string reason = "io_uring is refused by " + explain_refusal(outcome, environment);
  if (policy == BackendPolicy::kIoUring) return Error(ErrorCode::kFailedPrecondition, std::move(reason));
  return BackendChoice(Backend::kEpoll, std::move(reason));
}

Result<BackendChoice> choose_backend(BackendPolicy policy) {
  if (policy == BackendPolicy::kEpoll) return choose_backend(policy, ProbeOutcome(), ProbeEnvironment());
  return choose_backend(policy, probe_io_uring(), ProbeEnvironment::of_this_process());
}

}  // namespace steeple::runtime
