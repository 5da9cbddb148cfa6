// Steps of load_config: where an operator looks at the agent, `health_checks {}` and `telemetry {}` (config-cli 3).
#pragma once

#include "agent/config/agent_config.h"
#include "agent/config/sections.h"

namespace steeple::agent {

void set_listeners(const ConfigFile& file, AgentConfig& config);

}  // namespace steeple::agent
