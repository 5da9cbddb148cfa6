#include "agent/config/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "agent/config/go_url.h"
#include "agent/config/paths.h"
#include "agent/spiffe/spiffe_id.h"

namespace steeple::agent {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

Error not_both(std::string_view one, std::string_view other) {
  return invalid(fmt::format("only one of {} or {} can be specified, not both", one, other));
}

Result<void> check_workload_api_source(const AgentSection& agent) {
  static constexpr std::string_view kKey = "trust_bundle_spiffe_workload_api";
  if (agent.trust_bundle_spiffe_workload_api.empty()) return {};
  if (agent.insecure_bootstrap) return not_both("insecure_bootstrap", kKey);
  if (!agent.trust_bundle_url.empty()) return not_both("trust_bundle_url", kKey);
  if (!agent.trust_bundle_path.empty()) return not_both("trust_bundle_path", kKey);
  if (!agent.trust_bundle_unix_socket.empty()) {
    return invalid("trust_bundle_unix_socket can not be used with trust_bundle_spiffe_workload_api");
  }
  return runtime::with_context(check_workload_api_address(agent.trust_bundle_spiffe_workload_api),
                               "trust_bundle_spiffe_workload_api is not a valid SPIFFE Workload API endpoint address");
}

Result<void> check_bundle_sources(const AgentSection& agent) {
  STEEPLE_CHECK(check_workload_api_source(agent));
  const bool path = !agent.trust_bundle_path.empty();
  const bool url = !agent.trust_bundle_url.empty();
  if (agent.insecure_bootstrap) {
    if (url && path) {
      return invalid(
          "only one of insecure_bootstrap, trust_bundle_url, or trust_bundle_path can be specified, "
          "not the three options");
    }
    if (url) return not_both("insecure_bootstrap", "trust_bundle_url");
    if (path) return not_both("insecure_bootstrap", "trust_bundle_path");
  } else if (!path && !url && agent.trust_bundle_spiffe_workload_api.empty()) {
    return invalid(
        "trust_bundle_path, trust_bundle_url, or trust_bundle_spiffe_workload_api must be configured "
        "unless insecure_bootstrap is set");
  }
  if (url && path) return not_both("trust_bundle_url", "trust_bundle_path");
  if (agent.trust_bundle_format != "pem" && agent.trust_bundle_format != "spiffe") {
    return invalid("invalid value for trust_bundle_format, expected \"pem\" or \"spiffe\"");
  }
  return {};
}

Result<void> check_bundle_url(const AgentSection& agent) {
  const bool by_socket = !agent.trust_bundle_unix_socket.empty();
  if (agent.trust_bundle_url.empty()) {
    if (by_socket) return invalid("if trust_bundle_unix_socket is specified, so must be trust_bundle_url");
    return {};
  }
  Result<GoUrl> url = parse_go_url(agent.trust_bundle_url);
  if (!url) return std::move(url.error()).with_context("unable to parse trust bundle URL");
  if (!by_socket) {
    if (url->scheme != "https") return invalid("trust bundle URL must start with https://");
    return {};
  }
  if (url->scheme != "http") {
    return invalid("trust bundle URL must start with http:// when used with trust bundle unix socket");
  }
  for (const std::string& name : url->query_names()) {
    for (const std::string_view reserved : {"spiffe-", "spire-"}) {
      if (name.starts_with(reserved)) {
        return invalid(fmt::format("trust_bundle_url query params can not start with {}", reserved));
      }
    }
  }
  return {};
}

// True when `inner` is a path in or under the directory of `outer`.
Result<bool> shares_directory(const std::string& inner, const std::string& outer) {
  STEEPLE_TRY(inner_path, absolute_path(inner));
  STEEPLE_TRY(outer_path, absolute_path(outer));
  return inner_path.starts_with(directory_of(outer_path) + "/");
}

bool has_public_socket(const AgentSection& agent) { return !agent.disable_workload_api || !agent.disable_sds_api; }

Error socket_inside(std::string_view which) {
  return invalid(
      fmt::format("{} socket cannot be in the same directory or a subdirectory as that containing the "
                  "Workload API socket",
                  which));
}

Result<void> check_reference_types(const BrokerEntry& entry) {
  const std::string where = fmt::format("experimental.broker.brokers[{}].allowed_reference_types", entry.id);
  if (entry.allowed_reference_types.empty()) {
    return invalid(where + ": must list at least one reference type URL");
  }
  bool wildcard = false;
  for (std::size_t i = 0; i < entry.allowed_reference_types.size(); ++i) {
    const std::string& url = entry.allowed_reference_types[i].type_url;
    if (url.empty()) return invalid(fmt::format("{}[{}].type_url: must be specified", where, i));
    wildcard = wildcard || url == "*";
  }
  if (wildcard && entry.allowed_reference_types.size() > 1) {
    return invalid(where + ": wildcard \"*\" must be the only allowed reference type");
  }
  return {};
}

}  // namespace

Result<void> check_feature_flags(const std::vector<std::string>& flags) {
  std::set<std::string> unknown;
  for (const std::string& flag : flags) {
    if (flag != "i_am_a_test_flag" && flag != "wit-svid") unknown.insert(flag);
  }
  if (unknown.empty()) return {};
  return invalid(fmt::format("error loading feature flags: unknown feature flag(s): [{}]", fmt::join(unknown, " ")));
}

Result<void> check_required_and_sources(const AgentSection& agent) {
  if (!agent.join_token.empty() && !agent.join_token_file.empty()) return not_both("join_token", "join_token_file");
  if (agent.server_address.empty()) return invalid("server_address must be configured");
  if (agent.server_port == 0) return invalid("server_port must be configured");
  if (agent.trust_domain.empty()) return invalid("trust_domain must be configured");
  STEEPLE_CHECK(check_bundle_sources(agent));
  STEEPLE_CHECK(check_bundle_url(agent));
  const auto no_pipes = [](std::string_view key, std::string_view instead) {
    return invalid(fmt::format("invalid configuration: {} is not supported in this platform; please use {} instead",
                               key, instead));
  };
  if (!agent.experimental.named_pipe_name.empty()) return no_pipes("named_pipe_name", "socket_path");
  if (!agent.experimental.admin_named_pipe_name.empty()) return no_pipes("admin_named_pipe_name", "admin_socket_path");
  return {};
}

Result<void> check_admin_socket(const AgentSection& agent) {
  if (agent.admin_socket_path.empty() || !has_public_socket(agent)) return {};
  STEEPLE_TRY(inside, shares_directory(agent.admin_socket_path, agent.socket_path));
  if (inside) return socket_inside("admin");
  return {};
}

Result<void> check_delegates(const AgentSection& agent, const TrustDomain& trust_domain) {
  for (const std::string& delegate : agent.authorized_delegates) {
    Result<SpiffeId> id = SpiffeId::parse(delegate);
    if (!id) return std::move(id.error()).with_context("error validating authorized delegate");
    if (!id->member_of(trust_domain)) {
      return invalid(
          fmt::format("error validating authorized delegate: SPIFFE ID \"{}\" is not a member of trust domain "
                      "\"{}\"",
                      id->text(), trust_domain.name()));
    }
  }
  return {};
}

Result<void> check_broker(const AgentSection& agent) {
  if (!agent.experimental.broker) return {};
  const BrokerSection& broker = *agent.experimental.broker;
  if (broker.socket_path.empty() && broker.bind_address.empty()) {
    return invalid("experimental.broker requires socket_path, bind_address, or both");
  }
  if (!broker.socket_path.empty() && has_public_socket(agent)) {
    STEEPLE_TRY(inside, shares_directory(broker.socket_path, agent.socket_path));
    if (inside) return socket_inside("broker");
  }
  if (!broker.bind_address.empty()) {
    STEEPLE_CHECK(
        runtime::with_context(check_host_port(broker.bind_address),
                              fmt::format("invalid experimental.broker.bind_address \"{}\"", broker.bind_address)));
  }
  std::set<std::string> seen;
  for (std::size_t i = 0; i < broker.brokers.size(); ++i) {
    const std::string& id = broker.brokers[i].id;
    if (id.empty()) return invalid(fmt::format("experimental.broker.brokers[{}].id: must be specified", i));
    if (!seen.insert(id).second) {
      return invalid(fmt::format("experimental.broker.brokers[{}].id: duplicate broker id", id));
    }
  }
  for (const BrokerEntry& entry : broker.brokers) {
    Result<SpiffeId> id = SpiffeId::parse(entry.id);
    if (!id) return std::move(id.error()).with_context(fmt::format("experimental.broker.brokers[{}].id", entry.id));
    STEEPLE_CHECK(check_reference_types(entry));
  }
  return {};
}

Result<void> check_rate_limits(const RateLimitSection& limits) {
  const std::pair<std::string_view, std::optional<std::int64_t>> all[] = {
      {"fetch_x509_svid", limits.fetch_x509_svid},       {"fetch_jwt_svid", limits.fetch_jwt_svid},
      {"fetch_x509_bundles", limits.fetch_x509_bundles}, {"fetch_jwt_bundles", limits.fetch_jwt_bundles},
      {"stream_secrets", limits.stream_secrets},         {"fetch_secrets", limits.fetch_secrets},
  };
  for (const auto& [name, value] : all) {
    if (value.value_or(0) < 0) return invalid(fmt::format("experimental.ratelimit.{} must not be negative", name));
  }
  return {};
}

}  // namespace steeple::agent
