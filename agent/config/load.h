// Loads the agent's configuration as `run` and `validate` do: file, flags, defaults, all checks in SPIRE's order and
// words (config-cli 2.1 to 2.3), then what this version of Steeple does not have. Nothing is bound; the only traces are
// those of SPIRE: log_file is opened, join_token_file is read. Warnings and unknown keys go to the configured log.
#pragma once

#include <memory>
#include <string>

#include "agent/config/agent_config.h"
#include "agent/config/expand_env.h"
#include "agent/config/sections.h"

namespace steeple::agent {

// What the command line gives; zero values are "not given". `section` holds the flags that have a key.
struct ConfigFlags {
  std::string config_path;
  bool expand_env = false;
  AgentSection section;
};

// Where the outside is: tests put fakes here.
struct LoadContext {
  Environment environment;
  // The log's sink when no log_file is configured; called once, after the checks that come before the log.
  std::unique_ptr<runtime::LogSink> (*make_sink)(void* argument) = nullptr;
  void* sink_argument = nullptr;
};
LoadContext process_context();

runtime::Result<AgentConfig> load_config(const ConfigFlags& flags, const LoadContext& context);

// The steps of it.
runtime::Result<ConfigFile> read_config_file(const std::string& path, bool expand, const Environment& environment);
runtime::Result<ConfigFile> decode_config(std::string_view text);
void merge_flags_and_defaults(ConfigFile& file, const ConfigFlags& flags);

}  // namespace steeple::agent
