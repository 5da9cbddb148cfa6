// `run` and `validate`: the configuration, and then the agent or a verdict (config-cli 4.9, 4.10).
#pragma once

#include "agent/cli/command.h"

namespace steeple::agent::cli {

int run_command(const Arguments& arguments, Context& context);
std::string run_usage();
int validate_command(const Arguments& arguments, Context& context);
std::string validate_usage();

}  // namespace steeple::agent::cli
