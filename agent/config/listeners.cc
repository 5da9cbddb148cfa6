#include "agent/config/listeners.h"

namespace steeple::agent {
namespace {

void set_telemetry(const TelemetrySection& section, TelemetrySettings& settings) {
  settings.prometheus = section.prometheus.has_value();
  if (section.prometheus) {
    settings.prometheus_host = section.prometheus->host.empty() ? "localhost" : section.prometheus->host;
    settings.prometheus_port = section.prometheus->port;
    if (const auto& tls = section.prometheus->tls) {
      settings.prometheus_tls = PrometheusTls{tls->cert_file, tls->key_file, tls->client_ca_file, tls->use_spire_svid,
                                              tls->authorized_spiffe_ids};
    }
  }
  for (const AddressSection& sink : section.statsd) settings.statsd.push_back(sink.address);
  for (const AddressSection& sink : section.dog_statsd) settings.dog_statsd.push_back(sink.address);
  settings.in_mem = section.in_mem && section.in_mem->enabled_removed.value_or(true);
  settings.metric_prefix = section.metric_prefix;
  settings.trust_domain_label = section.enable_trust_domain_label.value_or(false);
  settings.hostname_label = section.enable_hostname_label.value_or(true);
  settings.allowed_prefixes = section.allowed_prefixes;
  settings.blocked_prefixes = section.blocked_prefixes;
  settings.allowed_labels = section.allowed_labels;
  settings.blocked_labels = section.blocked_labels;
}

}  // namespace

void set_listeners(const ConfigFile& file, AgentConfig& config) {
  const HealthChecksSection& health = file.health_checks;
  config.health_checks = {health.listener_enabled, health.bind_address, health.bind_port, health.live_path,
                          health.ready_path};
  set_telemetry(file.telemetry, config.telemetry);
}

}  // namespace steeple::agent
