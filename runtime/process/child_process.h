// A child process whose standard output and standard error come through pipes. It gets the parent's standard input and
// nothing else that is open, default actions for the signals that the parent ignores for itself, and SIGKILL when the
// parent's I/O thread ends. Texts of errors and ends are Go's ("fork/exec /x: permission denied", "exit status 2").
// Owned; the destructor kills and reaps what still runs. I/O thread only.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"
#include "runtime/loop/loop.h"
#include "runtime/os/file_descriptor.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::runtime {

struct ChildOptions {
  std::string program;                    // a path; $PATH is not searched
  std::vector<std::string> arguments;     // behind the program's own path
  std::vector<std::string> environment;   // NAME=VALUE, all of it
  std::optional<rlim_t> open_files_soft;  // RLIMIT_NOFILE; none: the parent's
};

// This process' environment with `changes` (NAME=VALUE) in place of what it says of the same names.
std::vector<std::string> environment_with(const std::vector<std::string>& changes);

enum class ChildOutput { kStdout, kStderr };

class ChildEnd {
 public:
  explicit ChildEnd(int wait_status) : wait_status_(wait_status) {}
  bool clean() const { return wait_status_ == 0; }
  std::string text() const;  // "exit status 2", "signal: killed"

 private:
  int wait_status_;
};

class ChildProcess {
 public:
  static Result<std::unique_ptr<ChildProcess>> start(Loop& loop, const ChildOptions& options);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }

  // What comes next, in the front of `buffer`; nothing at the end. One read() of an output at a time.
  Task<Result<std::size_t>> read(ChildOutput output, std::span<std::uint8_t> buffer, StopToken stop);

  // One wait() at a time. Output may still be in the pipes.
  Task<Result<ChildEnd>> wait(StopToken stop);
  bool ended();  // asks the kernel
  void kill();   // SIGKILL, unless it has ended

 private:
  ChildProcess(Loop& loop, pid_t pid);
  Result<void> adopt(FileDescriptor out, FileDescriptor err);

  Loop& loop_;
  pid_t pid_;
  std::optional<ChildEnd> end_;
  boost::asio::posix::stream_descriptor out_;
  boost::asio::posix::stream_descriptor err_;
  boost::asio::posix::stream_descriptor exit_;  // a pidfd; closed where the kernel has none
};

}  // namespace steeple::runtime
