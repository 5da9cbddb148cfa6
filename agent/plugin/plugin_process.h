// An external plugin's process (config-cli 1.8): started with the environment that go-plugin's servers look for, its
// standard error in the agent's log, its first line of standard output read as the handshake, the rest passed over.
// Two readers and one watcher run until it has ended. stop() before it dies. I/O thread only.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/plugin/handshake.h"
#include "agent/plugin/stderr_log.h"
#include "runtime/core/deadline.h"
#include "runtime/process/child_process.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kPluginStartWait{60};
inline constexpr std::chrono::seconds kPluginDrainWait{1};   // for output that is still in the pipes at its end
inline constexpr std::chrono::seconds kPluginKilledWait{5};  // until a killed process has gone

struct PluginProcessOptions {
  std::string type;  // "WorkloadAttestor": also the cookie that tells the program what it is run for
  std::string name;
  std::string path;  // absolute
  std::vector<std::string> arguments;
  std::optional<rlim_t> open_files_soft;
  std::chrono::nanoseconds start_wait = kPluginStartWait;
};

class PluginProcess {
 public:
  // `log`: the catalog's, with the plugin's fields.
  PluginProcess(runtime::Loop& loop, PluginProcessOptions options, runtime::Logger log);
  ~PluginProcess();
  PluginProcess(const PluginProcess&) = delete;
  PluginProcess& operator=(const PluginProcess&) = delete;

  // Runs the program and waits for its handshake. Once. After a failure the process has been killed and has gone.
  runtime::Task<runtime::Result<PluginAddress>> start(runtime::StopToken stop);

  bool running() { return child_ && !child_->ended(); }
  // Whether it has ended by then.
  runtime::Task<bool> wait_end(runtime::Deadline deadline);
  // Kills what still runs, and joins everything.
  runtime::Task<void> stop();

 private:
  runtime::Task<runtime::Result<std::string>> first_line(runtime::StopToken stop);
  runtime::Task<void> read_stdout();
  runtime::Task<void> read_stderr();
  runtime::Task<void> watch();
  void output_ended();

  runtime::Loop& loop_;
  PluginProcessOptions options_;
  runtime::Logger log_;
  StderrLog stderr_log_;
  std::unique_ptr<runtime::ChildProcess> child_;
  std::optional<std::string> line_;
  bool stdout_ended_ = false;
  int outputs_open_ = 0;
  bool ended_ = false;  // and said so in the log
  runtime::Signal line_changed_;
  runtime::Signal outputs_done_;
  runtime::Signal end_seen_;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::agent
