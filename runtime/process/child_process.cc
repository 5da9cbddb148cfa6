#include "runtime/process/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "runtime/os/file.h"
#include "runtime/task/async_op.h"
#include "runtime/task/timeout.h"

extern char** environ;

namespace steeple::runtime {

namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kEndCheck{200};  // where there is no pidfd
constexpr int kFirstFreeDescriptor = 3;
constexpr unsigned kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC; newer than the C library's headers
constexpr int kExecFailed = 127;
// What the parent ignores or handles for itself.
constexpr int kResetSignals[] = {SIGPIPE, SIGUSR1, SIGUSR2, SIGTERM, SIGINT};

struct Pipe {
  FileDescriptor reader;
  FileDescriptor writer;
};

// Above the standard descriptors, even when the parent has closed those.
Result<FileDescriptor> lift(int fd) {
  if (fd >= kFirstFreeDescriptor) return FileDescriptor(fd);
  FileDescriptor low(fd);
  FileDescriptor lifted(::fcntl(fd, F_DUPFD_CLOEXEC, kFirstFreeDescriptor));
  if (!lifted) return system_error("pipe", errno);
  return lifted;
}

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe", errno);
  Result<FileDescriptor> reader = lift(ends[0]);
  Result<FileDescriptor> writer = lift(ends[1]);
  if (!reader) return std::move(reader.error());
  if (!writer) return std::move(writer.error());
  return Pipe{std::move(*reader), std::move(*writer)};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

struct Plan {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int out;
  int err;
  int report;
  pid_t parent;
  const sigset_t* signals;
  std::optional<rlim_t> open_files_soft;
};

// Between fork and exec: system calls alone.
[[noreturn]] void become(const Plan& plan) {
  for (const int number : kResetSignals) ::signal(number, SIG_DFL);
  ::pthread_sigmask(SIG_SETMASK, plan.signals, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(kExecFailed);  // it ended before it could be asked for
  rlimit limit{};
  if (plan.open_files_soft && ::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = std::min(*plan.open_files_soft, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  ::dup2(plan.out, STDOUT_FILENO);
  ::dup2(plan.err, STDERR_FILENO);
#ifdef SYS_close_range
  ::syscall(SYS_close_range, static_cast<unsigned>(kFirstFreeDescriptor), ~0U, kCloseOnExec);
#endif
  ::execve(plan.program, plan.arguments, plan.environment);
  const int error_number = errno;
  (void)!::write(plan.report, &error_number, sizeof error_number);
  ::_exit(kExecFailed);
}

// Signals wait meanwhile: a handler of the parent must not run in the child.
pid_t fork_into(Plan& plan) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  plan.signals = &before;
  plan.parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become(plan);
  const int error_number = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error_number;
  return child;
}

// The reason why it could not be executed; 0 once it is.
int read_report(int reader) {
  int error_number = 0;
  ssize_t size;
  do {
    size = ::read(reader, &error_number, sizeof error_number);
  } while (size < 0 && errno == EINTR);
  return size == sizeof error_number ? error_number : 0;
}

int reap(pid_t pid, int flags, int& status) {
  pid_t waited;
  do {
    waited = ::waitpid(pid, &status, flags);
  } while (waited < 0 && errno == EINTR);
  return waited;
}

// The name of a signal as Go prints it, in lower case.
std::string signal_text(int number) {
  const char* name = ::sigdescr_np(number);
  std::string text = name ? name : fmt::format("signal {}", number);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] - 'A' + 'a');
  return text;
}

}  // namespace

std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  const auto name_of = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
  std::vector<std::string> out;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string_view text = *entry;
    const auto same = [&](const std::string& change) { return name_of(change) == name_of(text); };
    if (std::none_of(changes.begin(), changes.end(), same)) out.emplace_back(text);
  }
  out.insert(out.end(), changes.begin(), changes.end());
  return out;
}

std::string ChildEnd::text() const {
  if (WIFEXITED(wait_status_)) return fmt::format("exit status {}", WEXITSTATUS(wait_status_));
  if (WIFSIGNALED(wait_status_)) {
    return fmt::format("signal: {}{}", signal_text(WTERMSIG(wait_status_)),
                       WCOREDUMP(wait_status_) ? " (core dumped)" : "");
  }
  return "unknown end";
}

ChildProcess::ChildProcess(Loop& loop, pid_t pid)
    : loop_(loop), pid_(pid), out_(loop.io()), err_(loop.io()), exit_(loop.io()) {}

ChildProcess::~ChildProcess() {
  if (ended()) return;
  kill();
  int status = 0;
  reap(pid_, 0, status);
}

Result<std::unique_ptr<ChildProcess>> ChildProcess::start(Loop& loop, const ChildOptions& options) {
  STEEPLE_TRY(out, make_pipe());
  STEEPLE_TRY(err, make_pipe());
  STEEPLE_TRY(report, make_pipe());
  std::vector<std::string> words = options.arguments;
  words.insert(words.begin(), options.program);
  const std::vector<char*> arguments = pointers(words);
  const std::vector<char*> environment = pointers(options.environment);
  Plan plan{options.program.c_str(),
            arguments.data(),
            environment.data(),
            out.writer.get(),
            err.writer.get(),
            report.writer.get(),
            0,
            nullptr,
            options.open_files_soft};
  const pid_t child = fork_into(plan);
  if (child < 0) return path_error("fork/exec", options.program, errno);
  report.writer.reset();
  std::unique_ptr<ChildProcess> process(new ChildProcess(loop, child));
  if (const int error_number = read_report(report.reader.get()); error_number != 0) {
    return path_error("fork/exec", options.program, error_number);
  }
  STEEPLE_CHECK(process->adopt(std::move(out.reader), std::move(err.reader)));
  return process;
}

Result<void> ChildProcess::adopt(FileDescriptor out, FileDescriptor err) {
  const auto take = [](asio::posix::stream_descriptor& into, FileDescriptor from) -> Result<void> {
    boost::system::error_code error;
    into.assign(from.get(), error);
    if (error) return system_error("watch a child's output", error.value());
    (void)from.release();
    return {};
  };
  STEEPLE_CHECK(take(out_, std::move(out)));
  STEEPLE_CHECK(take(err_, std::move(err)));
  FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (pidfd) STEEPLE_CHECK(take(exit_, std::move(pidfd)));
  return {};
}

Task<Result<std::size_t>> ChildProcess::read(ChildOutput output, std::span<std::uint8_t> buffer, StopToken stop) {
  asio::posix::stream_descriptor& from = output == ChildOutput::kStdout ? out_ : err_;
  if (stop.stop_requested()) co_return stop.error();
  auto [error, size] = co_await async_op<boost::system::error_code, std::size_t>(
      [&from, buffer](auto handler) {
        from.async_read_some(asio::buffer(buffer.data(), buffer.size()), std::move(handler));
      },
      stop);
  if (stop.stop_requested()) co_return stop.error();
  if (error == asio::error::eof) co_return std::size_t{0};
  if (error) co_return system_error("read a child's output", error.value());
  co_return size;
}

Task<Result<ChildEnd>> ChildProcess::wait(StopToken stop) {
  for (;;) {
    if (ended()) co_return *end_;
    if (stop.stop_requested()) co_return stop.error();
    if (exit_.is_open()) {
      (void)co_await async_op<boost::system::error_code>(
          [this](auto handler) { exit_.async_wait(asio::posix::stream_descriptor::wait_read, std::move(handler)); },
          stop);
    } else {
      (void)co_await sleep_until(loop_, Deadline::in(kEndCheck), stop);
    }
  }
}

bool ChildProcess::ended() {
  if (end_) return true;
  int status = 0;
  const pid_t waited = reap(pid_, WNOHANG, status);
  // Where children are not waited for (SIGCHLD is ignored), how it ended is not known.
  if (waited == pid_ || (waited < 0 && errno == ECHILD)) end_.emplace(waited == pid_ ? status : 0);
  return end_.has_value();
}

void ChildProcess::kill() {
  if (!ended()) ::kill(pid_, SIGKILL);
}

}  // namespace steeple::runtime
