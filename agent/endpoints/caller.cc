#include "agent/endpoints/caller.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/endpoints/status_text.h"
#include "runtime/os/process_handle.h"

namespace steeple::agent {

using attestation::Selectors;
using runtime::Error;
using runtime::ErrorCode;
using runtime::FileDescriptor;
using runtime::LogFields;
using runtime::Peer;
using runtime::ProcessHandle;
using runtime::Result;
using runtime::SteadyTime;
using runtime::StopReason;
using runtime::Task;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;

namespace {

Status failed(const ServerCall& call, const CallLog& log, const Error& error, SteadyTime started) {
  LogFields fields{{"error", error}};
  bool gone =
      call.stop().stop_requested() || error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kDeadline;
  if (gone) {
    auto waited = std::chrono::steady_clock::now() - started;
    fields.emplace_back("duration_ms", std::chrono::floor<std::chrono::milliseconds>(waited).count());
  }
  log.error("Workload attestation failed", std::move(fields));
  if (!gone) return status_text::attestation_failed();
  bool late = call.stop().reason() == StopReason::kDeadline || error.code() == ErrorCode::kDeadline;
  return late ? status_text::deadline_exceeded() : status_text::context_canceled();
}

// This process as a peer: what the kernel says of a socket that it holds both ends of.
Result<Peer> own_peer() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return runtime::system_error("socketpair", errno);
  FileDescriptor near(ends[0]);
  FileDescriptor far(ends[1]);
  return Peer::of_socket(near.get());
}

}  // namespace

CallerAttestor::CallerAttestor(attestation::WorkloadEngine& engine) : engine_(engine), own_pid_(::getpid()) {}

bool CallerAttestor::is_own(const ServerCall& call) const {
  const Peer* process = call.peer().process;
  return process && process->credentials().pid == own_pid_;
}

Task<Result<Selectors, Status>> CallerAttestor::attest(ServerCall& call, CallLog log) {
  SteadyTime started = std::chrono::steady_clock::now();
  const Peer* peer = call.peer().process;
  if (!peer) {
    Error missing(ErrorCode::kInternal, "rpc error: code = Internal desc = peer tracker watcher missing from context");
    co_return failed(call, log, missing, started);
  }
  Result<ProcessHandle> process = ProcessHandle::open(*peer, &keeper_);
  if (!process) co_return failed(call, log, process.error(), started);
  Result<Selectors> selectors = co_await engine_.attest(*process, call.deadline(), call.stop());
  if (!selectors) co_return failed(call, log, selectors.error(), started);
  if (Result<void> alive = process->verify_alive(); !alive) {
    Error doubt(ErrorCode::kUnauthenticated,
                "rpc error: code = Unauthenticated desc = could not verify existence of the original caller: " +
                    alive.error().message());
    call.close_connection_after();
    co_return failed(call, log, doubt, started);
  }
  co_return std::move(*selectors);
}

Task<Result<Selectors, Status>> CallerAttestor::attest_process(pid_t pid, ServerCall& call, CallLog log) {
  SteadyTime started = std::chrono::steady_clock::now();
  Result<Peer> peer = Peer::of_process(pid);
  if (!peer) co_return failed(call, log, peer.error(), started);
  Result<ProcessHandle> process = ProcessHandle::open(*peer);
  if (!process) co_return failed(call, log, process.error(), started);
  Result<Selectors> selectors = co_await engine_.attest(*process, call.deadline(), call.stop());
  if (!selectors) co_return failed(call, log, selectors.error(), started);
  if (Result<void> alive = process->verify_alive(); !alive) co_return failed(call, log, alive.error(), started);
  co_return std::move(*selectors);
}

Task<Result<Selectors>> CallerAttestor::attest_self(runtime::Deadline deadline, runtime::StopToken stop) {
  if (!self_) {
    STEEPLE_CO_TRY(self, own_peer());
    self_ = std::move(self);
  }
  STEEPLE_CO_TRY(process, ProcessHandle::open(*self_, &keeper_));
  co_return co_await engine_.attest(process, deadline, stop);
}

std::string loggable_selectors(const Selectors& selectors, const std::vector<std::string>& prefixes) {
  if (prefixes.empty()) return {};
  std::vector<std::string> shown;
  for (const attestation::Selector& selector : selectors) {
    std::string text = selector.text();
    bool allowed = std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
      return text == prefix || (text.starts_with(prefix) && text.substr(prefix.size()).starts_with(':'));
    });
    if (allowed) shown.push_back(std::move(text));
  }
  std::sort(shown.begin(), shown.end());
  std::string joined;
  for (const std::string& text : shown) {
    if (!joined.empty()) joined += ',';
    joined += text;
  }
  return joined;
}

}  // namespace steeple::agent
