#include "attestation/workload/engine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "runtime/core/go_text.h"
#include "runtime/task/timeout.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::LogRendered;
using runtime::ProcessHandle;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::chrono::milliseconds kRetireCheck{100};

// Upstream's attestors are plugins behind an RPC, and their errors read so in every log that people search.
std::string_view plugin_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCancelled:
      return "Canceled";
    case ErrorCode::kDeadline:
      return "DeadlineExceeded";
    case ErrorCode::kLimit:
      return "ResourceExhausted";
    case ErrorCode::kInvalidArgument:
      return "InvalidArgument";
    case ErrorCode::kDenied:
      return "PermissionDenied";
    case ErrorCode::kNotFound:
      return "NotFound";
    case ErrorCode::kFailedPrecondition:
      return "FailedPrecondition";
    case ErrorCode::kUnavailable:
      return "Unavailable";
    case ErrorCode::kUnauthenticated:
      return "Unauthenticated";
    case ErrorCode::kUnimplemented:
      return "Unimplemented";
    default:
      return "Internal";
  }
}

constexpr std::string_view kRpcError = "rpc error: code = ";

// The code of an error that is a whole text already; empty: it is not.
std::string_view code_in_text(const Error& error) {
  static constexpr std::string_view kCodes[] = {
      "Canceled",         "Unknown",           "InvalidArgument",    "DeadlineExceeded", "NotFound",   "AlreadyExists",
      "PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted",          "OutOfRange", "Unimplemented",
      "Internal",         "Unavailable",       "DataLoss",           "Unauthenticated"};
  std::string_view text = error.message();
  if (!text.starts_with(kRpcError)) return {};
  text.remove_prefix(kRpcError.size());
  text = text.substr(0, text.find(' '));
  const auto* code = std::find(std::begin(kCodes), std::end(kCodes), text);
  return code == std::end(kCodes) ? std::string_view() : *code;
}

Error as_plugin_error(std::string_view name, const Error& error) {
  if (!code_in_text(error).empty()) return error;
  return Error(error.code(), fmt::format("rpc error: code = {} desc = workloadattestor({}): {}",
                                         plugin_code(error.code()), name, error.message()));
}

// What the caller's context says, if it is done.
std::optional<Error> context_error(const runtime::Loop& loop, Deadline deadline, StopToken stop) {
  bool late = stop.reason() == runtime::StopReason::kDeadline || (!deadline.is_never() && deadline.passed(loop.now()));
  if (late) return Error(ErrorCode::kDeadline, "context deadline exceeded");
  if (stop.stop_requested()) return Error(ErrorCode::kCancelled, "context canceled");
  return std::nullopt;
}

void tell_attestor(const AttestationEvents& events, std::string_view name, const Result<Selectors>& answer,
                   runtime::SteadyTime began) {
  if (!events.attestor) return;
  std::string_view status = "OK";
  if (!answer) status = code_in_text(answer.error());
  if (status.empty()) status = plugin_code(answer.error().code());
  events.attestor(name, status, std::chrono::steady_clock::now() - began);
}

std::string failed_text(std::string_view name) {
  return fmt::format("workload attestor {} failed", runtime::go_quote(name));
}

}  // namespace

LogRendered render_selectors(const Selectors& selectors) {
  std::string text = "[";
  std::string json = "[";
  for (const Selector& selector : selectors) {
    if (text.size() > 1) text += ' ';
    if (json.size() > 1) json += ',';
    text +=
        "type:" + runtime::prototext_quote(selector.type()) + " value:" + runtime::prototext_quote(selector.value());
    json += "{\"type\":" + runtime::json_string(selector.type()) +
            ",\"value\":" + runtime::json_string(selector.value()) + "}";
  }
  return LogRendered(text + "]", json + "]");
}

// Gathers the answers of several attestors of one call.
class WorkloadEngine::Collector {
 public:
  Collector(const runtime::Logger& log, const AttestationEvents& events, const ProcessHandle& process,
            Deadline deadline, StopToken stop)
      : log_(log), events_(events), process_(process), deadline_(deadline), stop_(stop) {}

  Task<void> ask(std::shared_ptr<WorkloadAttestor> attestor) {
    const runtime::SteadyTime began = std::chrono::steady_clock::now();
    Result<Selectors> answer = co_await attestor->attest(process_, deadline_, stop_);
    tell_attestor(events_, attestor->name(), answer, began);
    take(attestor->name(), std::move(answer));
  }

  void take(std::string_view name, Result<Selectors> answer) {
    if (answer) {
      ++successes_;
      found_.merge(*answer);
      return;
    }
    Error error = as_plugin_error(name, answer.error());
    std::string failed = failed_text(name);
    log_.error(failed, {{"error", error.message()}, {"pid", process_.pid()}});
    if (!failures_.empty()) failures_ += '\n';
    failures_ += failed + ": " + error.message();
    // To the caller kDeadline and kCancelled mean its own context, which is looked at before this.
    const bool own = error.code() == ErrorCode::kDeadline || error.code() == ErrorCode::kCancelled;
    code_ = own ? ErrorCode::kUnavailable : error.code();
  }

  Result<Selectors> result() {
    if (failures_.empty()) return std::move(found_);
    if (successes_ == 0) return Error(code_, std::move(failures_));
    log_.error("Failed to collect all selectors", {{"error", failures_}});
    return std::move(found_);
  }
  bool any_failed() const { return !failures_.empty(); }

 private:
  const runtime::Logger& log_;
  const AttestationEvents& events_;
  const ProcessHandle& process_;
  Deadline deadline_;
  StopToken stop_;
  Selectors found_;
  std::size_t successes_ = 0;
  std::string failures_;
  ErrorCode code_ = ErrorCode::kInternal;
};

WorkloadEngine::WorkloadEngine(runtime::Loop& loop, Attestors attestors, const runtime::Logger& log)
    : loop_(loop),
      attestors_(std::make_move_iterator(attestors.begin()), std::make_move_iterator(attestors.end())),
      retiring_(loop),
      log_(log.with_subsystem("workload_attestor")),
      own_pid_(::getpid()) {}

Task<Result<Selectors>> WorkloadEngine::attest(const ProcessHandle& process, Deadline deadline, StopToken stop) {
  const runtime::SteadyTime began = std::chrono::steady_clock::now();
  Result<Selectors> found = co_await attest_by(process, deadline, stop);
  if (events_.caller && process.pid() != own_pid_) {
    events_.caller(found ? "OK" : "Unknown", found ? found->size() : 0, std::chrono::steady_clock::now() - began);
  }
  co_return std::move(found);
}

Task<Result<Selectors>> WorkloadEngine::attest_by(const ProcessHandle& process, Deadline deadline, StopToken stop) {
  if (attestors_.size() != 1) co_return co_await attest_with_all(process, deadline, stop);
  const std::shared_ptr<WorkloadAttestor> attestor = attestors_.front();
  const runtime::SteadyTime began = std::chrono::steady_clock::now();
  Result<Selectors> found = co_await attestor->attest(process, deadline, stop);
  tell_attestor(events_, attestor->name(), found, began);
  if (found) [[likely]] {
    log_selectors(process.pid(), *found);
    co_return std::move(found);
  }
  Collector collector(log_, events_, process, deadline, stop);
  collector.take(attestor->name(), std::move(found));
  if (std::optional<Error> gone = context_error(loop_, deadline, stop)) {
    log_.error("Timed out collecting selectors", {{"error", *gone}});
    co_return std::move(*gone);
  }
  co_return collector.result();
}

Task<Result<Selectors>> WorkloadEngine::attest_with_all(const ProcessHandle& process, Deadline deadline,
                                                        StopToken stop) {
  Collector collector(log_, events_, process, deadline, stop);
  runtime::TaskGroup asked(loop_);
  for (const std::shared_ptr<WorkloadAttestor>& attestor : attestors_) asked.spawn(collector.ask(attestor));
  co_await asked.join();
  if (collector.any_failed()) {
    if (std::optional<Error> gone = context_error(loop_, deadline, stop)) {
      log_.error("Timed out collecting selectors", {{"error", *gone}});
      co_return std::move(*gone);
    }
  }
  Result<Selectors> found = collector.result();
  if (found) log_selectors(process.pid(), *found);
  co_return std::move(found);
}

void WorkloadEngine::replace(std::unique_ptr<WorkloadAttestor> attestor) {
  if (retiring_.closed()) return;
  for (std::shared_ptr<WorkloadAttestor>& current : attestors_) {
    if (current->name() != attestor->name()) continue;
    retiring_.spawn(retire(std::exchange(current, std::move(attestor))));
    return;
  }
}

// A replacement is rare, and its calls end by their deadlines: looking now and then is enough.
Task<void> WorkloadEngine::retire(std::shared_ptr<WorkloadAttestor> old) {
  while (old.use_count() > 1) {
    Result<void> waited = co_await runtime::sleep_until(loop_, Deadline::in(kRetireCheck), retiring_.token());
    if (!waited) break;  // close() comes after the last call
  }
  co_await old->close();
}

Task<void> WorkloadEngine::close() {
  retiring_.close(runtime::StopReason::kShutdown);
  for (const std::shared_ptr<WorkloadAttestor>& attestor : attestors_) co_await attestor->close();
  co_await retiring_.join();
}

void WorkloadEngine::log_selectors(pid_t pid, const Selectors& selectors) const {
  // The agent's own health checks would fill the log.
  if (pid == own_pid_ || !log_.enabled(runtime::LogLevel::kDebug)) return;
  log_.debug("PID attested to have selectors", {{"pid", pid}, {"selectors", render_selectors(selectors)}});
}

}  // namespace steeple::attestation
