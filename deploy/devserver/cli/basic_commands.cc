// run, healthcheck, token generate.
#include <fmt/format.h>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/entry_text.h"
#include "deploy/devserver/cli/server_client.h"
#include "deploy/devserver/server/server.h"
#include "grpc/health/v1/health.pb.h"
#include "spire/api/server/agent/v1/agent.pb.h"

namespace steeple::devserver {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

int run_run(const Words& arguments, Terminal& terminal) {
  agent::FlagSet flags("run");
  std::string path(kDefaultConfigPath);
  bool expand_env = false;
  flags.add("config", path, "Path to a SPIRE Server configuration file");
  flags.add("expandEnv", expand_env, "Expand environment variables in the configuration file");
  if (auto parsed = flags.parse(arguments); !parsed) {
    bool asked = parsed.error().code() == ErrorCode::kCancelled;
    if (!asked) terminal.err(parsed.error().message() + "\n");
    terminal.err(flags.usage());
    return asked ? 0 : 1;
  }
  auto config = load_config(path, expand_env, [&](const std::string& name) { return terminal.environment(name); });
  if (!config) {
    terminal.err(config.error().message() + "\n");
    return 1;
  }
  return run_server(std::move(*config));
}

int run_healthcheck(const Words& arguments, Terminal& terminal) {
  using grpc::health::v1::HealthCheckRequest;
  using grpc::health::v1::HealthCheckResponse;
  ClientCommand command("health");
  bool shallow = false;
  bool verbose = false;
  command.flags().add("shallow", shallow, "Perform a less stringent health check");
  command.flags().add("verbose", verbose, "Print verbose information");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (verbose) terminal.out("Checking server health...\n");
    auto answer = call<HealthCheckResponse>(socket, "/grpc.health.v1.Health/Check", HealthCheckRequest());
    if (!answer) {
      if (verbose) terminal.err(fmt::format("Failed to check health: {}\n", answer.error().message()));
      return Error(ErrorCode::kUnavailable, "server is unhealthy: unable to determine health");
    }
    if (answer->status() != HealthCheckResponse::SERVING) {
      return Error(ErrorCode::kUnavailable,
                   fmt::format("server is unhealthy: server returned status {}", static_cast<int>(answer->status())));
    }
    terminal.out("Server is healthy.\n");
    return {};
  });
}

int run_token_generate(const Words& arguments, Terminal& terminal) {
  namespace v1 = spire::api::server::agent::v1;
  ClientCommand command("generate");
  std::int64_t ttl = 600;
  std::string spiffe_id;
  command.flags().add("ttl", ttl, "Token TTL in seconds");
  command.flags().add("spiffeID", spiffe_id, "Additional SPIFFE ID to assign the token owner (optional)");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    v1::CreateJoinTokenRequest request;
    if (!spiffe_id.empty()) STEEPLE_CHECK(parse_id(spiffe_id, *request.mutable_agent_id()));
    STEEPLE_TRY(seconds, narrow(ttl, "TTL"));
    request.set_ttl(seconds);
    STEEPLE_TRY(
        token, call<spire::api::types::JoinToken>(socket, "/spire.api.server.agent.v1.Agent/CreateJoinToken", request));
    terminal.out(fmt::format("Token: {}\n", token.value()));
    if (spiffe_id.empty()) terminal.out("Warning: Missing SPIFFE ID.\n");
    return {};
  });
}

}  // namespace steeple::devserver
