#include "agent/health/health_listener.h"

#include <charconv>

#include "runtime/tls/proxy.h"

namespace steeple::agent {

using runtime::Deadline;
using runtime::HttpReply;
using runtime::HttpServerRequest;
using runtime::Result;
using runtime::Task;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

std::string without_brackets(std::string_view address) {
  while (!address.empty() && (address.front() == '[' || address.front() == ']')) address.remove_prefix(1);
  while (!address.empty() && (address.back() == '[' || address.back() == ']')) address.remove_suffix(1);
  return std::string(address);
}

std::string join(const std::string& host, const std::string& port) {
  return host.find(':') == std::string::npos ? host + ":" + port : "[" + host + "]:" + port;
}

std::optional<std::uint16_t> port_number(const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

HealthListener::HealthListener(runtime::Loop& loop, const runtime::Clock& clock, HealthListenerOptions options,
                               HealthProbe probe, const runtime::Logger& log)
    : loop_(loop),
      options_(std::move(options)),
      probe_(std::move(probe)),
      log_(log.with_subsystem("health")),
      health_(clock, options_.apis_enabled, log_),
      server_(
          loop, {}, [this](const HttpServerRequest& request) { return answer(request); }, log_),
      started_signal_(loop),
      tasks_(loop) {
  options_.bind_address = without_brackets(options_.bind_address);
}

HttpReply HealthListener::answer(const HttpServerRequest& request) const {
  if (request.path() == options_.ready_path) return health_.ready();
  if (request.path() == options_.live_path) return health_.live();
  return runtime::http_not_found();
}

void HealthListener::start() { tasks_.spawn(run()); }

void HealthListener::agent_started() {
  started_ = true;
  started_signal_.notify();
}

Task<void> HealthListener::run() {
  const Deadline opens = Deadline::after(loop_.now(), options_.wait);
  while (!started_ && !opens.passed(loop_.now()) && !tasks_.closed()) {
    static_cast<void>(co_await started_signal_.wait(opens, tasks_.token()));
  }
  if (tasks_.closed()) co_return;
  log_.debug("Initializing health checkers");
  log_.info("Serving health checks", {{"address", join(options_.bind_address, options_.bind_port)}});
  if (const auto port = port_number(options_.bind_port)) {
    tasks_.spawn(serve(*port));
  } else {
    log_.warning("Error serving health checks",
                 {{"error", "listen tcp: address " + options_.bind_port + ": invalid port"}});
  }
  co_await keep_checking();
  log_.debug("Finishing health checker");
}

Task<void> HealthListener::serve(std::uint16_t port) {
  Result<void> bound = co_await server_.bind(options_.bind_address, port, tasks_.token());
  if (!bound) {
    if (!tasks_.closed()) log_.warning("Error serving health checks", {{"error", bound.error()}});
    co_return;
  }
  co_await server_.serve();
}

Task<void> HealthListener::keep_checking() {
  while (!tasks_.closed()) {
    const bool started = started_;
    bool available = false;
    if (started && probe_) {
      const Status answered = co_await probe_(Deadline::after(loop_.now(), kHealthCheckTimeout), tasks_.token());
      if (tasks_.closed()) co_return;
      available = answered.code() != StatusCode::kUnavailable && answered.code() != StatusCode::kDeadlineExceeded;
    }
    health_.record(started, available || (started && !probe_));
    // The start of the agent ends the wait early.
    static_cast<void>(
        co_await started_signal_.wait(Deadline::after(loop_.now(), health_.next_check_in()), tasks_.token()));
  }
}

Task<void> HealthListener::stop() {
  tasks_.close(runtime::StopReason::kShutdown);
  co_await server_.stop();
  co_await tasks_.join();
}

}  // namespace steeple::agent
