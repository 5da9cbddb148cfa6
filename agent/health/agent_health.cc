#include "agent/health/agent_health.h"

#include <fmt/format.h>

namespace steeple::agent {

using runtime::HttpReply;
using runtime::LogRendered;

namespace {

constexpr std::string_view kUnavailable = "workload api is unavailable";
constexpr std::string_view kCheckName = "agent";

std::string details_json(bool known, const std::string& error) {
  if (!known) return "null";
  return error.empty() ? "{}" : fmt::format("{{\"make_new_x509_err\":{}}}", runtime::json_string(error));
}

HttpReply reply(bool good, bool details_known, const std::string& error) {
  return {good ? 200u : 500u,
          "application/json",
          {},
          fmt::format("{{\"{}\":{}}}\n", kCheckName, details_json(details_known, error))};
}

}  // namespace

std::string AgentHealth::State::failure() const {
  if (ready && live) return {};
  if (ready) return "subsystem is not live";
  return live ? "subsystem is not ready" : "subsystem is not live or ready";
}

LogRendered AgentHealth::State::details() const {
  const std::string live_json = details_json(has_details, live_error);
  const std::string ready_json = details_json(has_details, ready_error);
  const auto text = [&](const std::string& error) { return has_details ? fmt::format("{{{}}}", error) : "<nil>"; };
  return LogRendered(fmt::format("{{{} {} {} {} {}}}", started, live, ready, text(live_error), text(ready_error)),
                     fmt::format("{{\"Started\":{},\"Live\":{},\"Ready\":{},\"LiveDetails\":{},\"ReadyDetails\":{}}}",
                                 started, live, ready, live_json, ready_json));
}

AgentHealth::AgentHealth(const runtime::Clock& clock, bool apis_enabled, runtime::Logger log)
    : clock_(clock), apis_enabled_(apis_enabled), log_(std::move(log)) {}

void AgentHealth::record(bool started, bool available) {
  State state;
  state.started = started;
  if (apis_enabled_) {
    state.has_details = true;
    state.ready = available;
    state.live = available || !started;
    if (!available) state.ready_error = kUnavailable;
    if (!state.live) state.live_error = kUnavailable;
  } else {
    state.ready = started;
    state.live = true;
  }
  log_change(state);
  state_ = std::move(state);
  if (state_.ready && state_.live) steady_ = true;
}

void AgentHealth::log_change(const State& state) {
  std::string failure = state.failure();
  if (!failure.empty() && state.started) {
    log_.error("Health check has failed", {{"check", kCheckName}, {"error", failure}});
  } else if (!failure.empty() && failure != failure_while_starting_) {
    failure_while_starting_ = failure;
    log_.warning("Health check has failed. Starting up still.", {{"check", kCheckName}, {"error", failure}});
  }
  if (!failure.empty() && failure_.empty()) {
    log_.warning("Health check failed", {{"check", kCheckName}, {"details", state.details()}, {"error", failure}});
    first_failure_ = clock_.now();
    failures_ = 0;
  }
  if (failure.empty() && !failure_.empty()) {
    const double seconds = std::chrono::duration<double>(clock_.now() - first_failure_).count();
    log_.info("Health check recovered", {{"check", kCheckName},
                                         {"details", state.details()},
                                         {"duration", seconds},
                                         {"error", failure_},
                                         {"failures", failures_}});
  }
  if (!failure.empty()) ++failures_;
  failure_ = std::move(failure);
}

std::chrono::nanoseconds AgentHealth::next_check_in() const {
  return steady_ ? kHealthCheckInterval : kHealthCheckIntervalStarting;
}

HttpReply AgentHealth::live() const { return reply(state_.live, state_.has_details, state_.live_error); }
HttpReply AgentHealth::ready() const { return reply(state_.ready, state_.has_details, state_.ready_error); }

}  // namespace steeple::agent
