// The commands that ask a running agent: `api fetch x509`, `api watch`, `healthcheck` (config-cli 4.3, 4.6, 4.7).
#pragma once

#include "agent/cli/command.h"

namespace steeple::agent::cli {

int fetch_x509_command(const Arguments& arguments, Context& context);
std::string fetch_x509_usage();
int watch_command(const Arguments& arguments, Context& context);
std::string watch_usage();
int healthcheck_command(const Arguments& arguments, Context& context);
std::string healthcheck_usage();

}  // namespace steeple::agent::cli
