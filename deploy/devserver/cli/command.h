// The development server's commands: `spire-server`'s words, flags, output and exit codes (server-sync 8.7), `x509
// ...` and `jwt ...`. To add one: its function, a row in commands.cc.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/flags.h"
#include "deploy/devserver/cli/terminal.h"

namespace steeple::devserver {

using Words = std::vector<std::string>;

struct Command {
  std::string_view words;  // "entry create"
  std::string_view synopsis;
  int (*run)(const Words& arguments, Terminal& terminal);
};
std::span<const Command> commands();

// `arguments` without the program's name. Gives the exit status.
int run_command_line(const Words& arguments, Terminal& terminal);

// What -output takes.
enum class Outputs { kPrettyOnly, kPrettyAndJson };

// A command that calls the server: its flags with the common ones (-socketPath, -instance, -output), and its errors.
class ClientCommand {
 public:
  explicit ClientCommand(std::string name, Outputs outputs = Outputs::kPrettyOnly);
  ClientCommand(const ClientCommand&) = delete;
  ClientCommand& operator=(const ClientCommand&) = delete;
  agent::FlagSet& flags() { return flags_; }
  bool json() const { return output_ == "json"; }
  // Parses, runs `body` with the socket's path, prints "Error: ..." for what it returns. Gives the exit status.
  int run(const Words& arguments, Terminal& terminal,
          const std::function<runtime::Result<void>(const std::string& socket)>& body);

 private:
  runtime::Result<std::string> socket_path(Terminal& terminal) const;
  runtime::Result<void> set_output(const std::string& text);
  agent::FlagSet flags_;
  std::string socket_path_;
  std::string instance_;
  Outputs outputs_;
  std::string output_;  // "": not given
};

// A flag that may be given more than once.
void add_list_flag(agent::FlagSet& flags, std::string_view name, std::vector<std::string>& values,
                   std::string_view help);

int run_run(const Words& arguments, Terminal& terminal);
int run_healthcheck(const Words& arguments, Terminal& terminal);
int run_token_generate(const Words& arguments, Terminal& terminal);
int run_entry_count(const Words& arguments, Terminal& terminal);
int run_entry_create(const Words& arguments, Terminal& terminal);
int run_entry_delete(const Words& arguments, Terminal& terminal);
int run_entry_show(const Words& arguments, Terminal& terminal);
int run_entry_update(const Words& arguments, Terminal& terminal);
int run_agent_ban(const Words& arguments, Terminal& terminal);
int run_agent_count(const Words& arguments, Terminal& terminal);
int run_agent_evict(const Words& arguments, Terminal& terminal);
int run_agent_list(const Words& arguments, Terminal& terminal);
int run_agent_show(const Words& arguments, Terminal& terminal);
int run_bundle_count(const Words& arguments, Terminal& terminal);
int run_bundle_delete(const Words& arguments, Terminal& terminal);
int run_bundle_list(const Words& arguments, Terminal& terminal);
int run_bundle_set(const Words& arguments, Terminal& terminal);
int run_bundle_show(const Words& arguments, Terminal& terminal);
int run_federation_create(const Words& arguments, Terminal& terminal);
int run_federation_delete(const Words& arguments, Terminal& terminal);
int run_federation_list(const Words& arguments, Terminal& terminal);
int run_federation_refresh(const Words& arguments, Terminal& terminal);
int run_federation_show(const Words& arguments, Terminal& terminal);
int run_federation_update(const Words& arguments, Terminal& terminal);
int run_jwt_activate(const Words& arguments, Terminal& terminal);
int run_jwt_mint(const Words& arguments, Terminal& terminal);
int run_jwt_prepare(const Words& arguments, Terminal& terminal);
int run_jwt_revoke(const Words& arguments, Terminal& terminal);
int run_jwt_rotate(const Words& arguments, Terminal& terminal);
int run_jwt_show(const Words& arguments, Terminal& terminal);
int run_jwt_taint(const Words& arguments, Terminal& terminal);
int run_x509_activate(const Words& arguments, Terminal& terminal);
int run_x509_mint(const Words& arguments, Terminal& terminal);
int run_x509_prepare(const Words& arguments, Terminal& terminal);
int run_x509_revoke(const Words& arguments, Terminal& terminal);
int run_x509_rotate(const Words& arguments, Terminal& terminal);
int run_x509_show(const Words& arguments, Terminal& terminal);
int run_x509_taint(const Words& arguments, Terminal& terminal);

}  // namespace steeple::devserver
