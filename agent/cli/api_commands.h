// The commands that ask a running agent: `api fetch x509|jwt`, `api validate jwt`, `api watch`, `healthcheck`
// (config-cli 4.3 to 4.7).
#pragma once

#include "agent/cli/command.h"

namespace steeple::agent::cli {

int fetch_x509_command(const Arguments& arguments, Context& context);
std::string fetch_x509_usage();
int fetch_jwt_command(const Arguments& arguments, Context& context);
std::string fetch_jwt_usage();
int validate_jwt_command(const Arguments& arguments, Context& context);
std::string validate_jwt_usage();
int watch_command(const Arguments& arguments, Context& context);
std::string watch_usage();
int healthcheck_command(const Arguments& arguments, Context& context);
std::string healthcheck_usage();

}  // namespace steeple::agent::cli
