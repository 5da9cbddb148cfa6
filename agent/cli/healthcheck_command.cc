#include <fmt/format.h>

#include "agent/cli/api_commands.h"
#include "agent/cli/client_flags.h"
#include "agent/cli/workload_client.h"
#include "grpc/health/v1/health.pb.h"

namespace steeple::agent::cli {
namespace {

using ::grpc::health::v1::HealthCheckResponse;

struct Flags {
  SocketFlags socket;
  bool shallow = false;  // taken for old scripts; SPIRE's has no effect either
  bool verbose = false;

  FlagSet set() {
    FlagSet flags("health");
    add_socket_flags(flags, socket);
    flags.add("shallow", shallow, "Only ask whether the agent answers (kept for compatibility, no effect)");
    flags.add("verbose", verbose, "Say what is done and why it fails");
    return flags;
  }
};

std::string status_name(int status) {
  return HealthCheckResponse::ServingStatus_IsValid(status)
             ? HealthCheckResponse::ServingStatus_Name(static_cast<HealthCheckResponse::ServingStatus>(status))
             : std::to_string(status);
}

runtime::Result<void> check(const Flags& flags, Context& context) {
  const auto unhealthy = [](std::string why) {
    return runtime::Error(runtime::ErrorCode::kUnavailable, "Agent is unhealthy: " + std::move(why));
  };
  if (flags.verbose) context.output.out("Checking agent health...\n");
  const runtime::Result<std::string> socket = resolve_socket(flags.socket, context.environment);
  if (!socket) return unhealthy(socket.error().message());
  const auto status = check_health(*socket);
  if (!status) {
    if (flags.verbose) context.output.err(fmt::format("Failed to check health: {}\n", status.error().text()));
    return unhealthy("unable to determine health");
  }
  if (*status != HealthCheckResponse::SERVING) {
    return unhealthy(fmt::format("agent returned status \"{}\"", status_name(*status)));
  }
  return {};
}

}  // namespace

int healthcheck_command(const Arguments& arguments, Context& context) {
  Flags flags;
  FlagSet set = flags.set();
  if (runtime::Result<Arguments> rest = set.parse(arguments); !rest) {
    print_flag_error(set, rest.error(), context);
    return 1;
  }
  if (runtime::Result<void> healthy = check(flags, context); !healthy) {
    context.output.err(healthy.error().message() + "\n");
    return 1;
  }
  context.output.out("Agent is healthy.\n");
  return 0;
}

std::string healthcheck_usage() {
  Flags flags;
  return flags.set().usage();
}

}  // namespace steeple::agent::cli
