#include "agent/plugin/plugin_process.h"

#include <array>

#include "runtime/task/timeout.h"

namespace steeple::agent {

using runtime::ChildOutput;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopReason;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::size_t kReadBytes = 8u << 10;

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::vector<std::string> plugin_environment(const std::string& type) {
  return runtime::environment_with(
      {type + "=" + type, "PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000", "PLUGIN_PROTOCOL_VERSIONS=1"});
}

}  // namespace

PluginProcess::PluginProcess(runtime::Loop& loop, PluginProcessOptions options, runtime::Logger log)
    : loop_(loop),
      options_(std::move(options)),
      log_(std::move(log)),
      stderr_log_(log_.with_subsystem(options_.name + "." + base_name(options_.path))),
      line_changed_(loop),
      outputs_done_(loop),
      end_seen_(loop),
      tasks_(loop) {}

PluginProcess::~PluginProcess() = default;

Task<Result<PluginAddress>> PluginProcess::start(StopToken stop) {
  std::vector<std::string> words = options_.arguments;
  words.insert(words.begin(), options_.path);
  log_.debug("starting plugin", {{"path", options_.path}, {"args", std::move(words)}});
  runtime::ChildOptions child{options_.path, options_.arguments, plugin_environment(options_.type),
                              options_.open_files_soft};
  STEEPLE_CO_TRY(started, runtime::ChildProcess::start(loop_, child));
  child_ = std::move(started);
  log_.debug("plugin started", {{"path", options_.path}, {"pid", child_->pid()}});
  outputs_open_ = 2;
  tasks_.spawn(read_stdout());
  tasks_.spawn(read_stderr());
  tasks_.spawn(watch());
  log_.debug("waiting for RPC address", {{"plugin", options_.path}});
  Result<std::string> line = co_await first_line(stop);
  Result<PluginAddress> address = line ? parse_handshake(*line) : Result<PluginAddress>(line.error());
  if (address) {
    log_.debug("using plugin", {{"version", 1}});
    co_return address;
  }
  log_.warning("plugin failed to exit gracefully");
  co_await this->stop();
  if (address.error().code() != ErrorCode::kMalformed) co_return address;
  co_return Error(ErrorCode::kMalformed, address.error().message() + describe_program(options_.path));
}

Task<Result<std::string>> PluginProcess::first_line(StopToken stop) {
  const Deadline deadline = Deadline::in(options_.start_wait);
  while (!line_ && !stdout_ended_ && !ended_) {
    Result<void> waited = co_await line_changed_.wait(deadline, stop);
    if (waited || line_ || stdout_ended_) continue;
    if (stop.stop_requested()) co_return stop.error();
    co_return Error(ErrorCode::kDeadline, "timeout while waiting for plugin to start");
  }
  if (line_) co_return *line_;
  if (stdout_ended_) co_return unrecognized_handshake({}, true);
  co_return Error(ErrorCode::kUnavailable, "plugin exited before we could connect");
}

Task<void> PluginProcess::read_stdout() {
  std::array<std::uint8_t, kReadBytes> buffer;
  LineSplitter lines(kPluginLineBytesMax);
  const auto keep_first = [this](std::string_view line, bool whole) {
    if (!line_ && whole) line_.emplace(line);
    if (!line_) stdout_ended_ = true;  // too long for a handshake, and what follows is none
    line_changed_.notify();
  };
  for (;;) {
    Result<std::size_t> size = co_await child_->read(ChildOutput::kStdout, buffer, tasks_.token());
    if (!size || *size == 0) break;
    if (!line_ && !stdout_ended_) lines.feed(runtime::as_text(std::span(buffer).first(*size)), keep_first);
  }
  if (!line_) lines.end(keep_first);
  stdout_ended_ = true;
  line_changed_.notify();
  output_ended();
}

Task<void> PluginProcess::read_stderr() {
  std::array<std::uint8_t, kReadBytes> buffer;
  for (;;) {
    Result<std::size_t> size = co_await child_->read(ChildOutput::kStderr, buffer, tasks_.token());
    if (!size || *size == 0) break;
    stderr_log_.feed(runtime::as_text(std::span(buffer).first(*size)));
  }
  stderr_log_.end();
  output_ended();
}

void PluginProcess::output_ended() {
  --outputs_open_;
  outputs_done_.notify();
}

Task<void> PluginProcess::watch() {
  Result<runtime::ChildEnd> end = co_await child_->wait(tasks_.token());
  if (!end) co_return;
  // A process of its own may hold the pipes for longer.
  const Deadline drained = Deadline::in(kPluginDrainWait);
  while (outputs_open_ > 0) {
    if (!co_await outputs_done_.wait(drained, tasks_.token())) break;
  }
  runtime::LogFields fields{{"plugin", options_.path}, {"id", std::to_string(child_->pid())}};
  if (end->clean()) {
    log_.info("plugin process exited", std::move(fields));
  } else {
    fields.emplace_back("error", end->text());
    log_.error("plugin process exited", std::move(fields));
  }
  ended_ = true;
  line_changed_.notify();
  end_seen_.notify();
}

Task<bool> PluginProcess::wait_end(Deadline deadline) {
  while (child_ && !ended_) {
    if (!co_await end_seen_.wait(deadline, StopToken())) break;
  }
  co_return !child_ || ended_;
}

Task<void> PluginProcess::stop() {
  if (child_ && !ended_) {
    child_->kill();
    (void)co_await wait_end(Deadline::in(kPluginKilledWait));
  }
  tasks_.close(StopReason::kShutdown);
  co_await tasks_.join();
}

}  // namespace steeple::agent
