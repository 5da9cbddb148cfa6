// SPIRE's commands that this version has not: listed in help, flags accepted as SPIRE's, then refused by name.
#pragma once

#include "agent/cli/command.h"

namespace steeple::agent::cli {

int fetch_jwt_command(const Arguments& arguments, Context& context);
std::string fetch_jwt_usage();
int validate_jwt_command(const Arguments& arguments, Context& context);
std::string validate_jwt_usage();

}  // namespace steeple::agent::cli
