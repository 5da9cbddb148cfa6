// What the agent runs with: the file and the flags merged, given defaults, checked. Made by load_config() (load.h),
// moved into run_agent(). Times are durations, texts with a fixed set of values are enums, paths of sockets are
// absolute.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/plugin_config.h"
#include "agent/config/rebootstrap_mode.h"
#include "agent/spiffe/trust_bundle.h"
#include "agent/spiffe/trust_domain.h"
#include "runtime/core/log.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::agent {

enum class IoBackend { kAuto, kIoUring, kEpoll };
enum class WorkloadKeyType { kEcP256, kEcP384, kRsa2048 };

// Where the first trust bundle comes from. Exactly one of insecure, path and url is set.
struct BootstrapSource {
  bool insecure = false;
  std::string path;
  std::string url;
  std::string unix_socket;  // the server that answers for `url`
  TrustBundleFormat format = TrustBundleFormat::kPem;
};

// `sds {}`: the names by which Envoy asks, and whether its SPIFFE validator is used.
struct SdsSettings {
  std::string default_svid_name;
  std::string default_bundle_name;
  std::string default_all_bundles_name;
  bool disable_spiffe_cert_validation = false;
};

// `health_checks {}`.
struct HealthCheckSettings {
  bool listener_enabled = false;
  std::string bind_address;
  std::string bind_port;
  std::string live_path;
  std::string ready_path;
};

// `experimental.ratelimit {}`: calls per second and caller of each method, 0: no limit.
struct RateLimitSettings {
  std::int64_t fetch_x509_svid = 0;
  std::int64_t fetch_jwt_svid = 0;
  std::int64_t fetch_x509_bundles = 0;
  std::int64_t fetch_jwt_bundles = 0;
  std::int64_t stream_secrets = 0;
  std::int64_t fetch_secrets = 0;
};

// `telemetry { Prometheus { tls {} } }`.
struct PrometheusTls {
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file;
  bool use_spire_svid = false;
  std::vector<std::string> authorized_spiffe_ids;
};

// `telemetry {}`.
struct TelemetrySettings {
  bool prometheus = false;
  std::string prometheus_host;
  std::int64_t prometheus_port = 0;
  std::optional<PrometheusTls> prometheus_tls;
  std::vector<std::string> statsd;      // host:port
  std::vector<std::string> dog_statsd;  // host[:port] or unix://path
  bool in_mem = false;
  std::string metric_prefix;
  bool trust_domain_label = false;
  bool hostname_label = true;
  std::vector<std::string> allowed_prefixes;
  std::vector<std::string> blocked_prefixes;
  std::vector<std::string> allowed_labels;
  std::vector<std::string> blocked_labels;
};

struct AgentConfig {
  runtime::Logger log;
  bool logs_to_file = false;  // SIGUSR2 then reopens it
  std::vector<std::string> log_selectors;

  TrustDomain trust_domain;
  std::string server_address;  // host name or IP address
  std::int64_t server_port = 0;
  BootstrapSource bootstrap;
  RebootstrapMode rebootstrap_mode = RebootstrapMode::kNever;
  std::chrono::nanoseconds rebootstrap_delay{};
  runtime::SecretBytes join_token;  // empty: none

  std::string data_dir;
  std::string socket_path;                        // absolute; empty when both public APIs are off
  std::string admin_socket_path;                  // absolute; empty: none
  std::vector<std::string> authorized_delegates;  // SPIFFE IDs of this trust domain
  bool disable_workload_api = false;
  bool disable_sds_api = false;
  SdsSettings sds;
  HealthCheckSettings health_checks;
  TelemetrySettings telemetry;
  bool allow_unauthenticated_verifiers = false;  // bundles for callers without an identity
  std::vector<std::string> allowed_foreign_jwt_claims;
  RateLimitSettings rate_limits;

  WorkloadKeyType workload_key_type = WorkloadKeyType::kEcP256;
  std::int64_t x509_svid_cache_max_size = 0;  // 0: the default
  std::int64_t jwt_svid_cache_max_size = 0;   // 0: the default
  std::chrono::nanoseconds jwt_svid_cache_hit_timeout = std::chrono::seconds(30);
  std::chrono::nanoseconds availability_target{};  // 0: none
  std::chrono::nanoseconds sync_interval{};        // 0 or less: the default
  bool use_sync_authorized_entries = true;
  IoBackend io_backend = IoBackend::kAuto;

  PluginConfigs plugins;  // enabled and disabled ones, in the file's order
};

}  // namespace steeple::agent
