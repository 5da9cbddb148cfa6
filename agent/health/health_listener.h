// `health_checks {}`: the HTTP listener that tells whether the agent is live and ready (endpoints 7; config-cli 3.4).
// It opens when the agent has started, or 8 s after start() at the latest, as upstream's; answers come from a check of
// the own Workload API that is repeated every second until it succeeds, and every minute from then on. Owned by the
// app; stop() before it dies. I/O thread only.
#pragma once

#include <memory>
#include <string>

#include "agent/health/agent_health.h"
#include "agent/health/health.h"
#include "runtime/http1/server.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kHealthListenerWait{8};
inline constexpr std::chrono::seconds kHealthCheckTimeout{30};

struct HealthListenerOptions {
  std::string bind_address;  // name or address, with or without brackets
  std::string bind_port;
  std::string live_path;
  std::string ready_path;
  bool apis_enabled = true;
  std::chrono::nanoseconds wait = kHealthListenerWait;  // for the agent to start
};

class HealthListener {
 public:
  // References outlive the object. `probe` is not asked before agent_started(); null when no API is enabled.
  HealthListener(runtime::Loop& loop, const runtime::Clock& clock, HealthListenerOptions options, HealthProbe probe,
                 const runtime::Logger& log);

  void start();
  void agent_started();  // the first sync is done; more than once does no harm
  runtime::Task<void> stop();
  std::uint16_t port() const { return server_.port(); }  // 0 until it listens

 private:
  runtime::Task<void> run();
  runtime::Task<void> serve(std::uint16_t port);
  runtime::Task<void> keep_checking();
  runtime::HttpReply answer(const runtime::HttpServerRequest& request) const;

  runtime::Loop& loop_;
  HealthListenerOptions options_;
  HealthProbe probe_;
  runtime::Logger log_;
  AgentHealth health_;
  runtime::HttpServer server_;
  runtime::Signal started_signal_;
  bool started_ = false;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::agent
