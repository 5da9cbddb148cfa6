// The running agent: builds all parts from a checked configuration, serves until SIGINT or SIGTERM, drains.
#pragma once

#include "agent/config/agent_config.h"

namespace steeple::agent {

// Returns the exit status of `run`: 0 after a graceful stop, 1 after anything else.
int run_agent(AgentConfig config);

}  // namespace steeple::agent
