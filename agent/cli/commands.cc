// The one table of commands.
#include "agent/cli/admin_commands.h"
#include "agent/cli/agent_commands.h"
#include "agent/cli/api_commands.h"
#include "agent/cli/command.h"

namespace steeple::agent::cli {

std::span<const Command> commands() {
  static constexpr Command kCommands[] = {
      {"api fetch", "Fetches X509 SVIDs from the Workload API", fetch_x509_command, fetch_x509_usage, ""},
      {"api fetch jwt", "Fetches a JWT SVID from the Workload API", fetch_jwt_command, fetch_jwt_usage, ""},
      {"api fetch x509", "Fetches X509 SVIDs from the Workload API", fetch_x509_command, fetch_x509_usage, ""},
      {"api validate jwt", "Validates a JWT SVID", validate_jwt_command, validate_jwt_usage, ""},
      {"api watch", "Attaches to the Workload API and prints updates as they're received", watch_command, watch_usage,
       kHelpRequested},
      {"debug getinfo", "Prints debug information about the agent", debug_getinfo_command, debug_getinfo_usage,
       kHelpRequested},
      {"healthcheck", "Determines agent health status", healthcheck_command, healthcheck_usage, ""},
      {"logger get", "Gets the logger details", logger_get_command, logger_get_usage, kHelpRequested},
      {"logger reset", "Reset the logger details to launch level", logger_reset_command, logger_reset_usage,
       kHelpRequested},
      {"logger set", "Sets the logger details", logger_set_command, logger_set_usage, kHelpRequested},
      {"run", "Runs the agent", run_command, run_usage, kHelpRequested},
      {"validate", "Validates a SPIRE agent configuration file", validate_command, validate_usage, kHelpRequested},
  };
  return kCommands;
}

}  // namespace steeple::agent::cli
