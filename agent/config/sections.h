// The configuration file as written, section by section, before defaults and checks (config-cli 2.2 and 3). Plain
// values; "not set" is the zero value, as in SPIRE. agent_config.h holds what becomes of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/hcl/object_reader.h"

namespace steeple::agent {

struct SdsSection {
  std::string default_svid_name;
  std::string default_bundle_name;
  std::string default_all_bundles_name;
  bool disable_spiffe_cert_validation = false;
};

struct RateLimitSection {
  std::optional<std::int64_t> fetch_x509_svid;
  std::optional<std::int64_t> fetch_jwt_svid;
  std::optional<std::int64_t> fetch_x509_bundles;
  std::optional<std::int64_t> fetch_jwt_bundles;
  std::optional<std::int64_t> stream_secrets;
  std::optional<std::int64_t> fetch_secrets;
  hcl::UnknownKeys unknown;
  bool operator==(const RateLimitSection& other) const;  // values only
};

struct BrokerReferenceType {
  std::string type_url;
  bool allow_over_tcp = false;
  hcl::UnknownKeys unknown;
};

struct BrokerEntry {
  std::string id;
  std::vector<BrokerReferenceType> allowed_reference_types;
  hcl::UnknownKeys unknown;
};

struct BrokerSection {
  std::string socket_path;
  std::string bind_address;
  std::vector<BrokerEntry> brokers;
  hcl::UnknownKeys unknown;
};

struct ExperimentalSection {
  std::string sync_interval;
  std::string jwt_svid_cache_hit_timeout;
  std::string named_pipe_name;
  std::string admin_named_pipe_name;
  std::optional<bool> use_sync_authorized_entries;
  bool require_pq_kem = false;
  RateLimitSection ratelimit;
  std::optional<BrokerSection> broker;
  std::vector<std::string> feature_flags;
  hcl::UnknownKeys unknown;
  bool is_empty() const;
};

struct AgentSection {
  std::string data_dir;
  std::string admin_socket_path;
  bool insecure_bootstrap = false;
  std::string rebootstrap_mode;
  std::string rebootstrap_delay;
  std::string join_token;
  std::string join_token_file;
  std::string log_file;
  std::string log_format;
  std::string log_level;
  std::vector<std::string> log_selectors;
  bool log_source_location = false;
  SdsSection sds;
  hcl::UnknownKeys sds_unknown;
  std::string server_address;
  std::int64_t server_port = 0;
  std::string socket_path;
  bool disable_workload_api = false;
  bool disable_sds_api = false;
  std::string workload_x509_svid_key_type;
  std::string trust_bundle_format;
  std::string trust_bundle_path;
  std::string trust_bundle_spiffe_workload_api;
  std::string trust_bundle_unix_socket;
  std::string trust_bundle_url;
  std::string trust_domain;
  bool allow_unauthenticated_verifiers = false;
  std::vector<std::string> allowed_foreign_jwt_claims;
  std::string availability_target;
  std::int64_t x509_svid_cache_max_size = 0;
  std::int64_t jwt_svid_cache_max_size = 0;
  std::vector<std::string> authorized_delegates;
  bool profiling_enabled = false;
  std::int64_t profiling_port = 0;
  std::int64_t profiling_freq = 0;
  std::vector<std::string> profiling_names;
  std::string io_backend;
  // Written by old files, or accepted by SPIRE for no reason; without effect.
  std::string config_path_ignored;
  bool expand_env_ignored = false;
  std::optional<bool> retry_bootstrap_removed;
  std::optional<bool> disable_reattest_to_renew_removed;
  ExperimentalSection experimental;
  hcl::UnknownKeys unknown;
};

struct PrometheusTlsSection {
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file;
  bool use_spire_svid = false;
  std::vector<std::string> authorized_spiffe_ids;
  hcl::UnknownKeys unknown;
};

struct PrometheusSection {
  std::string host;
  std::int64_t port = 0;
  std::optional<PrometheusTlsSection> tls;
  hcl::UnknownKeys unknown;
};

// DogStatsd, Statsd and M3; env is M3's.
struct AddressSection {
  std::string address;
  std::string env;
  hcl::UnknownKeys unknown;
};

struct InMemSection {
  std::optional<bool> enabled_removed;
  hcl::UnknownKeys unknown;
};

struct TelemetrySection {
  std::optional<PrometheusSection> prometheus;
  std::vector<AddressSection> dog_statsd;
  std::vector<AddressSection> statsd;
  std::vector<AddressSection> m3;
  std::optional<InMemSection> in_mem;
  std::string metric_prefix;
  std::optional<bool> enable_trust_domain_label;
  std::optional<bool> enable_hostname_label;
  std::vector<std::string> allowed_prefixes;
  std::vector<std::string> blocked_prefixes;
  std::vector<std::string> allowed_labels;
  std::vector<std::string> blocked_labels;
  hcl::UnknownKeys unknown;
};

struct HealthChecksSection {
  bool listener_enabled = false;
  std::string bind_address;
  std::string bind_port;
  std::string ready_path;
  std::string live_path;
  hcl::UnknownKeys unknown;
};

// The whole file. `plugins` points into `document`.
struct ConfigFile {
  std::shared_ptr<const hcl::Document> document;
  AgentSection agent;
  std::optional<hcl::View> plugins;
  TelemetrySection telemetry;
  HealthChecksSection health_checks;
  hcl::UnknownKeys unknown;
  hcl::ReadNotes notes;
};

}  // namespace steeple::agent
