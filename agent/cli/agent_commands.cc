#include "agent/cli/agent_commands.h"

#include "agent/config/config_flags.h"
#include "agent/config/load.h"

namespace steeple::agent::cli {
namespace {

runtime::Result<AgentConfig> load(const std::string& command, const Arguments& arguments, Context& context) {
  ConfigFlags flags;
  FlagSet set = config_flag_set(command, flags);
  if (runtime::Result<Arguments> rest = set.parse(arguments); !rest) {
    print_flag_error(set, rest.error(), context);
    return std::move(rest.error());
  }
  LoadContext load_context = process_context();
  load_context.environment = context.environment;
  return load_config(flags, load_context);
}

std::string usage_of(const std::string& command) {
  ConfigFlags flags;
  return config_flag_set(command, flags).usage();
}

}  // namespace

int run_command(const Arguments& arguments, Context& context) {
  runtime::Result<AgentConfig> config = load("run", arguments, context);
  if (!config) {
    context.output.err(config.error().message() + "\n");
    return 1;
  }
  return context.run_agent(std::move(*config));
}

int validate_command(const Arguments& arguments, Context& context) {
  const runtime::Result<AgentConfig> config = load("validate", arguments, context);
  if (!config) {
    context.output.err("SPIRE agent configuration file is invalid: " + config.error().message() + "\n");
    return 1;
  }
  context.output.out("SPIRE agent configuration file is valid.\n");
  return 0;
}

std::string run_usage() { return usage_of("run"); }
std::string validate_usage() { return usage_of("validate"); }

}  // namespace steeple::agent::cli
