// Commands that speak to the admin socket: `logger get|set|reset`, `debug getinfo` (config-cli 4.2). Exit 1 with
// "Error: ..." on stderr when they fail.
#pragma once

#include "agent/cli/command.h"

namespace steeple::agent::cli {

int logger_get_command(const Arguments& arguments, Context& context);
std::string logger_get_usage();
int logger_set_command(const Arguments& arguments, Context& context);
std::string logger_set_usage();
int logger_reset_command(const Arguments& arguments, Context& context);
std::string logger_reset_usage();
int debug_getinfo_command(const Arguments& arguments, Context& context);
std::string debug_getinfo_usage();

}  // namespace steeple::agent::cli
