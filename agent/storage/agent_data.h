// The format of agent-data.json (server-sync 6.2): reader and writer, byte for byte the Go agent's. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/core/clock.h"
#include "runtime/tls/x509.h"

namespace steeple::agent {

inline constexpr std::size_t kAgentDataSizeMax = 16 * 1024 * 1024;

// Which trust bundle the agent connects with (server-sync 1.3).
enum class BootstrapUse { kUnspecified = 0, kBootstrap = 1, kRebootstrap = 2 };

class BootstrapState {
 public:
  BootstrapState() = default;
  BootstrapUse use = BootstrapUse::kUnspecified;
  std::optional<runtime::WallTime> start_time;  // absent: the clock does not run
  std::int64_t connection_attempts = 0;
  bool operator==(const BootstrapState&) const = default;
};

class AgentData {
 public:
  AgentData() = default;
  runtime::Certificates svid;    // leaf first; empty: none
  runtime::Certificates bundle;  // X.509 authorities of the own trust domain
  bool reattestable = false;
  BootstrapState bootstrap;
  bool operator==(const AgentData&) const = default;
};

// `failed to unmarshal data: ...`. null, [] and a missing list are the same; unknown members are passed over.
runtime::Result<AgentData> parse_agent_data(std::string_view json);
std::string format_agent_data(const AgentData& data);

}  // namespace steeple::agent
