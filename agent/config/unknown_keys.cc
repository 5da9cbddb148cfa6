#include <fmt/format.h>

#include <algorithm>

#include "agent/config/checks.h"

namespace steeple::agent {
namespace {

using runtime::Logger;

std::string joined(std::vector<std::string> keys) {
  std::sort(keys.begin(), keys.end());
  return fmt::format("{}", fmt::join(keys, ","));
}

// SPIRE calls sections by names of its own.
class UnknownKeyReport {
 public:
  explicit UnknownKeyReport(const Logger& log) : log_(log) {}

  void section(const std::string& name, const hcl::UnknownKeys& unknown) {
    if (!unknown.fatal.empty()) {
      found_ = true;
      log_.error("Unknown configuration detected", {{"section", name}, {"keys", joined(unknown.fatal)}});
    }
    if (!unknown.unnoticed.empty()) ignored(name, unknown.unnoticed);
  }
  // A place where SPIRE does not look.
  void quiet_section(const std::string& name, const hcl::UnknownKeys& unknown) {
    std::vector<std::string> keys = unknown.fatal;
    keys.insert(keys.end(), unknown.unnoticed.begin(), unknown.unnoticed.end());
    if (!keys.empty()) ignored(name, std::move(keys));
  }
  bool found() const { return found_; }

 private:
  void ignored(const std::string& name, std::vector<std::string> keys) {
    log_.warning("Unknown configuration ignored", {{"section", name}, {"keys", joined(std::move(keys))}});
  }
  const Logger& log_;
  bool found_ = false;
};

void report_broker(const BrokerSection& broker, UnknownKeyReport& report) {
  report.section("experimental.broker", broker.unknown);
  for (std::size_t i = 0; i < broker.brokers.size(); ++i) {
    const std::string entry = fmt::format("experimental.broker.brokers[{}]", i);
    report.section(entry, broker.brokers[i].unknown);
    const auto& types = broker.brokers[i].allowed_reference_types;
    for (std::size_t j = 0; j < types.size(); ++j) {
      report.section(fmt::format("{}.allowed_reference_types[{}]", entry, j), types[j].unknown);
    }
  }
}

void report_telemetry(const TelemetrySection& telemetry, UnknownKeyReport& report) {
  if (telemetry.prometheus) {
    report.section("Prometheus", telemetry.prometheus->unknown);
    if (telemetry.prometheus->tls) report.quiet_section("Prometheus.tls", telemetry.prometheus->tls->unknown);
  }
  for (const AddressSection& sink : telemetry.dog_statsd) report.section("DogStatsd", sink.unknown);
  for (const AddressSection& sink : telemetry.statsd) report.section("Statsd", sink.unknown);
  for (const AddressSection& sink : telemetry.m3) report.section("M3", sink.unknown);
  if (telemetry.in_mem) report.section("InMem", telemetry.in_mem->unknown);
  report.quiet_section("telemetry", telemetry.unknown);
}

void warn_removed(const Logger& log, std::string_view section, std::string_view key) {
  log.warning("Configuration key has had no effect for several releases and can be removed",
              {{"section", section}, {"key", key}});
}

}  // namespace

runtime::Result<void> check_unknown_keys(const ConfigFile& file, const Logger& log) {
  UnknownKeyReport report(log);
  report.section("top-level", file.unknown);
  report.section("agent", file.agent.unknown);
  if (file.agent.experimental.broker) report_broker(*file.agent.experimental.broker, report);
  report_telemetry(file.telemetry, report);
  report.section("health check", file.health_checks.unknown);
  report.section("ratelimit", file.agent.experimental.ratelimit.unknown);
  report.quiet_section("sds", file.agent.sds_unknown);
  report.quiet_section("experimental", file.agent.experimental.unknown);
  if (report.found()) return runtime::Error(runtime::ErrorCode::kInvalidArgument, "unknown configuration detected");
  return {};
}

void warn_about_old_keys(const ConfigFile& file, const Logger& log) {
  if (file.agent.retry_bootstrap_removed) warn_removed(log, "agent", "retry_bootstrap");
  if (file.agent.disable_reattest_to_renew_removed) warn_removed(log, "agent", "disable_reattest_to_renew");
  if (file.telemetry.in_mem && file.telemetry.in_mem->enabled_removed) warn_removed(log, "InMem", "enabled");
  for (const std::string& path : file.notes.old_booleans) {
    log.warning(kOldBooleanWarning, {{"key", path}});
  }
  const AgentSection& agent = file.agent;
  if (agent.profiling_enabled || agent.profiling_port != 0 || agent.profiling_freq != 0) {
    log.warning("Profiling is specific to Go and has no effect in Steeple",
                {{"section", "agent"}, {"key", "profiling_*"}});
  }
}

}  // namespace steeple::agent
