// The agent's commands and how words select one: the longest known sequence of leading words; everything after it
// belongs to the command (config-cli 4.1). Texts and exit codes are those that scripts know. To add a command: its
// file, a row in commands.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/cli/output.h"
#include "agent/config/flags.h"

namespace steeple::agent::cli {

using Arguments = std::vector<std::string>;

struct Command {
  std::string_view words;  // "api fetch x509"
  std::string_view synopsis;
  int (*run)(const Arguments& arguments, Context& context);
  std::string (*usage)();
  std::string_view help_ending;  // printed after the usage page when help is asked for
};

std::span<const Command> commands();  // sorted by words

int dispatch(const Arguments& arguments, Context& context);

// The error line and the usage page, as Go's flag package prints them before a command says the error once more.
void print_flag_error(const FlagSet& flags, const runtime::Error& error, Context& context);

}  // namespace steeple::agent::cli
