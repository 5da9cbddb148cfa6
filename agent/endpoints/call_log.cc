#include "agent/endpoints/call_log.h"

namespace steeple::agent {

using runtime::LogFields;
using runtime::LogLevel;

CallNames call_names(std::string_view path) {
  if (path.starts_with('/')) path.remove_prefix(1);
  std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {path, {}};
  CallNames names{path.substr(0, slash), path.substr(slash + 1)};
  constexpr std::string_view kServerApis = "spire.api.server.";
  if (names.service.starts_with(kServerApis)) names.service.remove_prefix(kServerApis.size());
  struct Short {
    std::string_view full, brief;
  };
  static constexpr Short kShort[] = {
      {"SpiffeWorkloadAPI", "WorkloadAPI"},
      {"envoy.service.secret.v3.SecretDiscoveryService", "SDS.v3"},
      {"grpc.health.v1.Health", "Health"},
      {"spire.agent.debug.v1.Debug", "Debug"},
      {"spire.api.agent.logger.v1.Logger", "Logger"},
      {"spire.api.agent.delegatedidentity.v1.DelegatedIdentity", "DelegatedIdentity"},
  };
  for (const Short& row : kShort)
    if (names.service == row.full) names.service = row.brief;
  return names;
}

void CallLog::log(LogLevel level, std::string_view message, LogFields fields) const {
  if (!log_.enabled(level)) return;
  CallNames names = call_names(call_.path());
  fields.emplace_back("method", names.method);
  fields.emplace_back("service", names.service);
  if (const runtime::Peer* process = call_.peer().process) fields.emplace_back("pid", process->credentials().pid);
  log_.log(level, message, std::move(fields));
}

void CallLog::error(std::string_view message, LogFields fields) const {
  log(LogLevel::kError, message, std::move(fields));
}
void CallLog::warning(std::string_view message, LogFields fields) const {
  log(LogLevel::kWarning, message, std::move(fields));
}
void CallLog::debug(std::string_view message, LogFields fields) const {
  log(LogLevel::kDebug, message, std::move(fields));
}

void log_no_identity(const CallLog& log, const std::string& loggable) {
  LogFields fields{{"registered", false}};
  if (!loggable.empty()) fields.emplace_back("selectors", loggable);
  log.error("No identity issued", std::move(fields));
}

}  // namespace steeple::agent
