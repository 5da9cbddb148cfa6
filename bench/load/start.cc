#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/load/await.h"

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using namespace std::chrono_literals;

namespace {

// The child: its output into the log, on its CPU, ended with us.
[[noreturn]] void become(char** command, const char* log_path, int cpu) {
  int log = ::open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log >= 0) ::dup2(log, STDOUT_FILENO), ::dup2(log, STDERR_FILENO);
  if (cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    ::sched_setaffinity(0, sizeof set, &set);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::execv(command[0], command);
  ::_exit(127);
}

class Child {
 public:
  Child(char** command, const std::string& log_path, int cpu) : pid(::fork()) {
    if (pid == 0) become(command, log_path.c_str(), cpu);
  }
  ~Child() { stop(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Its wait status once it has ended.
  std::optional<int> ended() {
    int status = 0;
    if (pid <= 0 || ::waitpid(pid, &status, WNOHANG) != pid) return std::nullopt;
    pid = 0;
    return status;
  }
  void stop() {
    if (pid <= 0) return;
    ::kill(pid, SIGTERM);
    Poller pause;
    for (int tries = 0; tries < 1000; ++tries) {
      if (ended()) return;
      pause.wait(10ms);
    }
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    pid = 0;
  }

  pid_t pid;
};

}  // namespace

Result<void> run_start(const Plan& plan, char** command, const std::string& log_path, int cpu) {
  const Clock::time_point begin = Clock::now(), give_up = begin + plan.limit;
  Child child(command, log_path, cpu);
  Await client(plan);
  Poller pause;
  while (!client.served()) {
    client.attempt(give_up);
    if (client.served()) break;
    if (std::optional<int> status = child.ended())
      return Error(ErrorCode::kUnavailable, fmt::format("the agent ended at its start, exit code {}",
                                                        WIFEXITED(*status) ? WEXITSTATUS(*status) : 128));
    if (Clock::now() > give_up)
      return Error(ErrorCode::kDeadline, fmt::format("not served in {:.0f} s; last refusal: {}",
                                                     seconds_between(begin, give_up), client.refusal));
    pause.wait(plan.every);
  }
  STEEPLE_TRY(cpu_used, cpu_ns(child.pid));
  STEEPLE_TRY(memory, memory_use(child.pid));
  JsonLine line;
  line.number("socket_ms", seconds_between(begin, *client.connected_at) * 1e3);
  line.number("served_ms", seconds_between(begin, *client.served_at) * 1e3);
  line.number("agent_cpu_ms", static_cast<double>(cpu_used) / 1e6);
  line.integer("attempts", client.attempts);
  line.json("memory", json_memory(memory));
  child.stop();
  line.print();
  return {};
}

}  // namespace steeple::bench
