#include "agent/config/schema.h"

namespace steeple::agent {

template <>
std::span<const Key<AgentSection>> keys_of<AgentSection>() {
  using S = AgentSection;
  static const Key<S> kKeys[] = {
      {"data_dir", &S::data_dir, "1.5.0", "."},
      {"admin_socket_path", &S::admin_socket_path},
      {"insecure_bootstrap", &S::insecure_bootstrap},
      {"rebootstrap_mode", &S::rebootstrap_mode, "1.13.0", "never"},
      {"rebootstrap_delay", &S::rebootstrap_delay, "1.13.0", "10m"},
      {"join_token", &S::join_token},
      {"join_token_file", &S::join_token_file, "1.13.3"},
      {"log_file", &S::log_file},
      {"log_format", &S::log_format},
      {"log_level", &S::log_level, "1.5.0", "INFO"},
      {"log_selectors", &S::log_selectors, "1.15.2"},
      {"log_source_location", &S::log_source_location, "1.7.1"},
      {"server_address", &S::server_address},
      {"server_port", &S::server_port},
      {"socket_path", &S::socket_path, "1.5.0", kDefaultSocketPath},
      {"disable_workload_api", &S::disable_workload_api, "1.15.3"},
      {"disable_sds_api", &S::disable_sds_api, "1.15.3"},
      {"workload_x509_svid_key_type", &S::workload_x509_svid_key_type, "1.5.0", "ec-p256"},
      {"trust_bundle_format", &S::trust_bundle_format, "1.6.0", "pem"},
      {"trust_bundle_path", &S::trust_bundle_path},
      {"trust_bundle_spiffe_workload_api", &S::trust_bundle_spiffe_workload_api, "1.15.3"},
      {"trust_bundle_unix_socket", &S::trust_bundle_unix_socket, "1.12.1"},
      {"trust_bundle_url", &S::trust_bundle_url},
      {"trust_domain", &S::trust_domain},
      {"allow_unauthenticated_verifiers", &S::allow_unauthenticated_verifiers},
      {"allowed_foreign_jwt_claims", &S::allowed_foreign_jwt_claims},
      {"availability_target", &S::availability_target, "1.8.7"},
      {"x509_svid_cache_max_size", &S::x509_svid_cache_max_size, "1.11.0"},
      {"jwt_svid_cache_max_size", &S::jwt_svid_cache_max_size, "1.11.1"},
      {"authorized_delegates", &S::authorized_delegates},
      {"ConfigPath", &S::config_path_ignored},
      {"ExpandEnv", &S::expand_env_ignored},
      {"profiling_enabled", &S::profiling_enabled},
      {"profiling_port", &S::profiling_port},
      {"profiling_freq", &S::profiling_freq},
      {"profiling_names", &S::profiling_names},
      {"io_backend", &S::io_backend, "Steeple", "auto"},
      {"retry_bootstrap", &S::retry_bootstrap_removed, "1.9.2, gone since 1.14.0"},
      {"disable_reattest_to_renew", &S::disable_reattest_to_renew_removed, "1.9.0, gone since 1.10.0"},
  };
  return kKeys;
}

template <>
std::span<const Key<SdsSection>> keys_of<SdsSection>() {
  using S = SdsSection;
  static const Key<S> kKeys[] = {
      {"default_svid_name", &S::default_svid_name, "1.5.0", "default"},
      {"default_bundle_name", &S::default_bundle_name, "1.5.0", "ROOTCA"},
      {"default_all_bundles_name", &S::default_all_bundles_name, "1.5.0", "ALL"},
      {"disable_spiffe_cert_validation", &S::disable_spiffe_cert_validation},
  };
  return kKeys;
}

template <>
std::span<const Key<ExperimentalSection>> keys_of<ExperimentalSection>() {
  using S = ExperimentalSection;
  static const Key<S> kKeys[] = {
      {"sync_interval", &S::sync_interval},  // unset: 5s
      {"jwt_svid_cache_hit_timeout", &S::jwt_svid_cache_hit_timeout, "1.14.3"},
      {"named_pipe_name", &S::named_pipe_name},
      {"admin_named_pipe_name", &S::admin_named_pipe_name},
      {"use_sync_authorized_entries", &S::use_sync_authorized_entries, "1.8.7"},
      {"require_pq_kem", &S::require_pq_kem, "1.11.1"},
      {"feature_flags", &S::feature_flags},
  };
  return kKeys;
}

template <>
std::span<const Key<RateLimitSection>> keys_of<RateLimitSection>() {
  using S = RateLimitSection;
  static const Key<S> kKeys[] = {
      {"fetch_x509_svid", &S::fetch_x509_svid, "1.15.2"},       {"fetch_jwt_svid", &S::fetch_jwt_svid, "1.15.2"},
      {"fetch_x509_bundles", &S::fetch_x509_bundles, "1.15.2"}, {"fetch_jwt_bundles", &S::fetch_jwt_bundles, "1.15.2"},
      {"stream_secrets", &S::stream_secrets, "1.15.2"},         {"fetch_secrets", &S::fetch_secrets, "1.15.2"},
  };
  return kKeys;
}

template <>
std::span<const Key<BrokerSection>> keys_of<BrokerSection>() {
  using S = BrokerSection;
  static const Key<S> kKeys[] = {
      {"socket_path", &S::socket_path, "1.15.2"},
      {"bind_address", &S::bind_address, "1.15.2"},
  };
  return kKeys;
}

template <>
std::span<const Key<BrokerEntry>> keys_of<BrokerEntry>() {
  static const Key<BrokerEntry> kKeys[] = {{"id", &BrokerEntry::id, "1.15.2"}};
  return kKeys;
}

template <>
std::span<const Key<BrokerReferenceType>> keys_of<BrokerReferenceType>() {
  using S = BrokerReferenceType;
  static const Key<S> kKeys[] = {
      {"type_url", &S::type_url, "1.15.2"},
      {"allow_over_tcp", &S::allow_over_tcp, "1.15.2"},
  };
  return kKeys;
}

template <>
std::span<const Key<PrometheusSection>> keys_of<PrometheusSection>() {
  using S = PrometheusSection;
  static const Key<S> kKeys[] = {{"host", &S::host, "1.5.0", "localhost"}, {"port", &S::port}};
  return kKeys;
}

template <>
std::span<const Key<PrometheusTlsSection>> keys_of<PrometheusTlsSection>() {
  using S = PrometheusTlsSection;
  static const Key<S> kKeys[] = {
      {"cert_file", &S::cert_file, "1.15.0"},
      {"key_file", &S::key_file, "1.15.0"},
      {"client_ca_file", &S::client_ca_file, "1.15.0"},
      {"use_spire_svid", &S::use_spire_svid, "1.15.2"},
      {"authorized_spiffe_ids", &S::authorized_spiffe_ids, "1.15.2"},
  };
  return kKeys;
}

// `env` is read for M3 alone (read_file.cc).
template <>
std::span<const Key<AddressSection>> keys_of<AddressSection>() {
  static const Key<AddressSection> kKeys[] = {{"address", &AddressSection::address}};
  return kKeys;
}

template <>
std::span<const Key<InMemSection>> keys_of<InMemSection>() {
  static const Key<InMemSection> kKeys[] = {{"enabled", &InMemSection::enabled_removed, "1.5.0, gone since 1.6.0"}};
  return kKeys;
}

template <>
std::span<const Key<TelemetrySection>> keys_of<TelemetrySection>() {
  using S = TelemetrySection;
  static const Key<S> kKeys[] = {
      {"MetricPrefix", &S::metric_prefix, "1.8.3", "spire_agent"},
      {"EnableTrustDomainLabel", &S::enable_trust_domain_label, "1.11.2"},
      {"EnableHostnameLabel", &S::enable_hostname_label, "1.8.5"},
      {"AllowedPrefixes", &S::allowed_prefixes},
      {"BlockedPrefixes", &S::blocked_prefixes},
      {"AllowedLabels", &S::allowed_labels},
      {"BlockedLabels", &S::blocked_labels},
  };
  return kKeys;
}

template <>
std::span<const Key<HealthChecksSection>> keys_of<HealthChecksSection>() {
  using S = HealthChecksSection;
  static const Key<S> kKeys[] = {
      {"listener_enabled", &S::listener_enabled},     {"bind_address", &S::bind_address, "1.5.0", "localhost"},
      {"bind_port", &S::bind_port, "1.5.0", "80"},    {"ready_path", &S::ready_path, "1.5.0", "/ready"},
      {"live_path", &S::live_path, "1.5.0", "/live"},
  };
  return kKeys;
}

}  // namespace steeple::agent
