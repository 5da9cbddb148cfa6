// server.conf: the keys of SPIRE Server's configuration that the development server knows, and its own `development`
// block. Any other key, block or plugin is refused by name; nothing is bound or written before all of it is checked.
// Relative paths are relative to the working directory, as in SPIRE.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "agent/config/expand_env.h"
#include "deploy/devserver/attestors/k8s_token.h"
#include "deploy/devserver/config/federation.h"
#include "deploy/devserver/notifiers/k8s_bundle.h"
#include "deploy/devserver/services/context.h"
#include "runtime/core/log.h"

namespace steeple::devserver {

inline constexpr std::string_view kDefaultConfigPath = "conf/server/server.conf";
inline constexpr std::string_view kDefaultSocketPath = "/tmp/spire-server/private/api.sock";
inline constexpr std::size_t kConfigBytesMax = 4u << 20;

struct X509popConfig {
  std::vector<std::string> ca_bundle_paths;
  std::int64_t intermediates_max = 4;
  std::int64_t rsa_key_bits_max = 8192;
};

// Where the server's own series are read (`telemetry { Prometheus {} }`).
struct PrometheusConfig {
  std::string host = "localhost";
  std::uint16_t port = 0;
};

struct DevServerConfig {
  std::string bind_address = "0.0.0.0";
  std::uint16_t bind_port = 8081;
  std::string socket_path = std::string(kDefaultSocketPath);
  std::string data_dir;
  std::string database_path;
  std::string keys_path;  // empty: KeyManager memory
  std::chrono::seconds ca_ttl = std::chrono::hours(24);
  AuthoritySubject ca_subject;
  std::chrono::seconds connection_age_max = std::chrono::minutes(3);
  std::string log_file;
  runtime::LogLevel log_level = runtime::LogLevel::kInfo;
  runtime::LogFormat log_format = runtime::LogFormat::kDefault;
  std::optional<X509popConfig> x509pop;
  std::optional<K8sClusterConfigs> k8s_sat;
  std::optional<K8sClusterConfigs> k8s_psat;
  std::vector<K8sBundleConfig> k8s_bundles;
  FederationConfig federation;
  std::optional<PrometheusConfig> prometheus;
  ServerSettings settings;
};

runtime::Result<DevServerConfig> parse_config(std::string_view text);
runtime::Result<DevServerConfig> load_config(const std::string& path, bool expand_env,
                                             const agent::Environment& environment);

}  // namespace steeple::devserver
