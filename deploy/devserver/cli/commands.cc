#include <fmt/format.h>

#include <algorithm>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/config/config.h"
#include "runtime/core/go_text.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr Command kCommands[] = {
    {"agent ban", "Bans an attested agent", run_agent_ban},
    {"agent count", "Counts attested agents", run_agent_count},
    {"agent evict", "Removes an attested agent", run_agent_evict},
    {"agent list", "Lists attested agents", run_agent_list},
    {"agent show", "Shows one attested agent", run_agent_show},
    {"bundle count", "Counts bundles", run_bundle_count},
    {"bundle delete", "Deletes a federated bundle", run_bundle_delete},
    {"bundle list", "Lists federated bundles", run_bundle_list},
    {"bundle set", "Creates or replaces a federated bundle", run_bundle_set},
    {"bundle show", "Prints the bundle of the trust domain", run_bundle_show},
    {"entry count", "Counts registration entries", run_entry_count},
    {"entry create", "Creates registration entries", run_entry_create},
    {"entry delete", "Deletes registration entries", run_entry_delete},
    {"entry show", "Shows registration entries", run_entry_show},
    {"entry update", "Updates registration entries", run_entry_update},
    {"federation create", "Creates a federation relationship with another trust domain", run_federation_create},
    {"federation delete", "Deletes a federation relationship", run_federation_delete},
    {"federation list", "Lists the federation relationships", run_federation_list},
    {"federation refresh", "Fetches the bundle of another trust domain now", run_federation_refresh},
    {"federation show", "Shows one federation relationship", run_federation_show},
    {"federation update", "Updates a federation relationship", run_federation_update},
    {"healthcheck", "Asks the server whether it is healthy", run_healthcheck},
    {"jwt activate", "Signs with a prepared JWT authority from now on", run_jwt_activate},
    {"jwt mint", "Mints a JWT-SVID", run_jwt_mint},
    {"jwt prepare", "Makes a new JWT authority and puts it into the bundle", run_jwt_prepare},
    {"jwt revoke", "Removes a tainted JWT authority from the bundle", run_jwt_revoke},
    {"jwt rotate", "Prepares and activates a new JWT authority", run_jwt_rotate},
    {"jwt show", "Shows the JWT authorities", run_jwt_show},
    {"jwt taint", "Marks an old JWT authority as tainted", run_jwt_taint},
    {"localauthority jwt activate", "As jwt activate", run_jwt_activate},
    {"localauthority jwt prepare", "As jwt prepare", run_jwt_prepare},
    {"localauthority jwt revoke", "As jwt revoke", run_jwt_revoke},
    {"localauthority jwt show", "As jwt show", run_jwt_show},
    {"localauthority jwt taint", "As jwt taint", run_jwt_taint},
    {"localauthority x509 activate", "As x509 activate", run_x509_activate},
    {"localauthority x509 prepare", "As x509 prepare", run_x509_prepare},
    {"localauthority x509 revoke", "As x509 revoke", run_x509_revoke},
    {"localauthority x509 show", "As x509 show", run_x509_show},
    {"localauthority x509 taint", "As x509 taint", run_x509_taint},
    {"run", "Runs the development server", run_run},
    {"token generate", "Makes a join token", run_token_generate},
    {"x509 activate", "Signs with a prepared X.509 authority from now on", run_x509_activate},
    {"x509 mint", "Mints an X509-SVID with a new key", run_x509_mint},
    {"x509 prepare", "Makes a new X.509 authority and puts it into the bundle", run_x509_prepare},
    {"x509 revoke", "Removes a tainted X.509 authority from the bundle", run_x509_revoke},
    {"x509 rotate", "Prepares and activates a new X.509 authority", run_x509_rotate},
    {"x509 show", "Shows the X.509 authorities", run_x509_show},
    {"x509 taint", "Marks an old X.509 authority as tainted", run_x509_taint},
};

bool is_help(const std::string& word) { return word == "-h" || word == "-help" || word == "--help"; }
bool is_version(const std::string& word) { return word == "-v" || word == "-version" || word == "--version"; }

// All commands, or those below `prefix`.
std::string help(const std::string& prefix) {
  std::string text =
      fmt::format("Usage: steeple-devserver [-version] [-help] {}<command> [<flags>]\n\nCommands:\n", prefix);
  for (const Command& command : kCommands) {
    if (command.words.starts_with(prefix)) text += fmt::format("    {:<30}{}\n", command.words, command.synopsis);
  }
  return text;
}

std::string join(const Words& words, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += (i == 0 ? "" : " ") + words[i];
  return text;
}

}  // namespace

std::span<const Command> commands() { return kCommands; }

int run_command_line(const Words& arguments, Terminal& terminal) {
  if (!arguments.empty() && is_version(arguments.front())) {
    terminal.out(STEEPLE_VERSION "\n");
    return 0;
  }
  auto is_flag = [](const std::string& word) { return word.starts_with('-'); };
  std::size_t words =
      static_cast<std::size_t>(std::find_if(arguments.begin(), arguments.end(), is_flag) - arguments.begin());
  for (std::size_t count = std::min<std::size_t>(words, 3); count > 0; --count) {
    std::string name = join(arguments, count);
    for (const Command& command : kCommands) {
      if (command.words != name) continue;
      return command.run(Words(arguments.begin() + static_cast<std::ptrdiff_t>(count), arguments.end()), terminal);
    }
  }
  std::string prefix = words == 0 ? "" : arguments.front() + " ";
  bool group = std::any_of(std::begin(kCommands), std::end(kCommands),
                           [&](const Command& command) { return command.words.starts_with(prefix); });
  bool asked = std::any_of(arguments.begin(), arguments.end(), is_help);
  std::string text = help(group ? prefix : "");
  if (asked) {
    terminal.out(text);
    return 0;
  }
  if (words > 0) terminal.err(fmt::format("unknown command {}\n", runtime::go_quote(join(arguments, words))));
  terminal.err(text);
  return group && words > 0 ? 1 : 127;
}

ClientCommand::ClientCommand(std::string name, Outputs outputs)
    : flags_(std::move(name)), socket_path_(kDefaultSocketPath), outputs_(outputs) {
  flags_.add("socketPath", socket_path_, "Path to the SPIRE Server API socket");
  flags_.add("instance", instance_,
             "Instance name to substitute into socket templates (env SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE).");
  flags_.add_value(
      "output", [this](const std::string& text) { return set_output(text); },
      outputs == Outputs::kPrettyAndJson ? "Desired output format (pretty, json); default: pretty."
                                         : "Desired output format (pretty); default: pretty.");
}

Result<void> ClientCommand::set_output(const std::string& text) {
  std::string format = text;
  std::transform(format.begin(), format.end(), format.begin(), [](unsigned char c) { return std::tolower(c); });
  if (format == "prettyprint") format = "pretty";
  if (!output_.empty() && output_ != text) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the output format has already been set to {}", runtime::go_quote(output_)));
  }
  if (format != "pretty" && format != "json") {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("bad formatter flag: unknown format option: {}", runtime::go_quote(text)));
  }
  if (format == "json" && outputs_ == Outputs::kPrettyOnly) {
    return Error(ErrorCode::kUnimplemented, "json is not available for this command in steeple-devserver");
  }
  output_ = format;
  return {};
}

Result<std::string> ClientCommand::socket_path(Terminal& terminal) const {
  if (socket_path_ != kDefaultSocketPath) return socket_path_;
  if (!instance_.empty()) {
    constexpr std::string_view kTemplate = "SPIRE_SERVER_PRIVATE_SOCKET_TEMPLATE";
    std::string path = terminal.environment(std::string(kTemplate)).value_or("");
    if (path.empty()) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("you must define {} to use the instance flag", kTemplate));
    }
    std::size_t at = path.find("%i");
    if (at == std::string::npos)
      return Error(ErrorCode::kInvalidArgument, fmt::format("failed to find %i in {}", kTemplate));
    for (; at != std::string::npos; at = path.find("%i", at + instance_.size())) path.replace(at, 2, instance_);
    return path;
  }
  std::string path = terminal.environment("SPIRE_SERVER_PRIVATE_SOCKET").value_or("");
  return path.empty() ? socket_path_ : path;
}

int ClientCommand::run(const Words& arguments, Terminal& terminal,
                       const std::function<Result<void>(const std::string&)>& body) {
  if (auto parsed = flags_.parse(arguments); !parsed) {
    bool asked = parsed.error().code() == ErrorCode::kCancelled;
    if (!asked) terminal.err(parsed.error().message() + "\n");
    terminal.err(flags_.usage());
    return asked ? 0 : 1;
  }
  Result<std::string> socket = socket_path(terminal);
  Result<void> done = socket ? body(*socket) : Result<void>(socket.error());
  if (done) return 0;
  terminal.err("Error: " + done.error().message() + "\n");
  return 1;
}

void add_list_flag(agent::FlagSet& flags, std::string_view name, std::vector<std::string>& values,
                   std::string_view help) {
  auto append = [&values](const std::string& text) -> Result<void> {
    values.push_back(text);
    return {};
  };
  flags.add_value(name, append, help);
}

}  // namespace steeple::devserver
