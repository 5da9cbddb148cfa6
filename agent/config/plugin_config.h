// The `plugins` block (config-cli 1.7): which plugins, in which order, with which data; and the typed keys of each
// plugin this version has. Plugin data stays a tree until its plugin is configured; data from a file can be loaded
// again. Error texts are those a user of SPIRE sees for the same mistake.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/config/hcl/object_reader.h"
#include "attestation/sigstore/config.h"
#include "runtime/core/log.h"

namespace steeple::agent {

// A plugin's configuration, and the document it points into.
struct PluginData {
  std::shared_ptr<const hcl::Document> document;
  std::optional<hcl::View> view;  // nothing: no data
};

struct PluginConfig {
  std::string type;  // "NodeAttestor"
  std::string name;
  std::string command;  // an external plugin's program
  std::vector<std::string> arguments;
  std::string checksum;
  bool enabled = true;
  PluginData data;
  std::optional<std::string> data_file;

  bool has_data() const;  // data, or a file that may hold some
  bool external() const { return !command.empty(); }
  // What an external plugin is given: its data as HCL, or its file as it is.
  runtime::Result<std::string> data_text() const;
};

class PluginConfigs {
 public:
  PluginConfigs() = default;
  explicit PluginConfigs(std::vector<PluginConfig> all) : all_(std::move(all)) {}
  const std::vector<PluginConfig>& all() const { return all_; }
  std::vector<const PluginConfig*> enabled_of(std::string_view type) const;

 private:
  std::vector<PluginConfig> all_;
};

runtime::Result<PluginConfigs> read_plugins(std::shared_ptr<const hcl::Document> document, const hcl::View& plugins,
                                            hcl::ReadNotes* notes);

// What SPIRE checks when it loads plugins, in its order: known types and names, how many of each type, and that plugins
// without keys got none. Plugins of SPIRE that Steeple does not have, and external ones of a type that has none here,
// are refused by name. Logs what SPIRE's catalog logs.
runtime::Result<void> check_plugins(const PluginConfigs& plugins, const runtime::Logger& log);

// The refusals alone, for `validate`: enabled plugins that SPIRE has and Steeple has not.
runtime::Result<void> refuse_missing_plugins(const PluginConfigs& plugins);

// The typed keys of the plugins. Unknown keys are overlooked, as in SPIRE; `log` says so. Errors carry the prefix
// `failed to configure plugin "N": `.
inline constexpr std::string_view kOldBooleanWarning =
    "Boolean is written in a way that newer SPIRE agents refuse; write true or false";

struct DiskKeyManagerKeys {
  std::string directory;
};
struct X509PopKeys {
  std::string private_key_path;
  std::string certificate_path;
  std::string intermediates_path;
};
struct K8sTokenKeys {  // k8s_sat and k8s_psat
  std::string cluster;
  std::string token_path;  // empty: the attestor's default
};
struct UnixAttestorKeys {
  bool discover_workload_path = false;
  std::int64_t workload_size_limit = 0;  // 0: no limit; negative: no digest
};
struct K8sAttestorKeys {  // attestation 1.1, defaults and the environment filled in
  std::uint16_t kubelet_read_only_port = 0;
  std::uint16_t kubelet_secure_port = 0;
  bool skip_kubelet_verification = false;
  bool use_anonymous_authentication = false;
  bool disable_kubelet_client = false;
  bool disable_container_selectors = false;
  bool use_new_container_locator = true;
  bool verbose_container_locator_logs = false;
  bool enable_namespace_labels = false;
  bool api_server_cache = false;  // experimental.api_server.cache.enabled
  std::int64_t max_poll_attempts = 60;
  std::chrono::nanoseconds poll_retry_interval = std::chrono::milliseconds(500);
  std::chrono::nanoseconds reload_interval = std::chrono::minutes(1);
  std::chrono::nanoseconds pod_index_max_age = std::chrono::seconds(5);
  std::string kubelet_ca_path;
  std::string token_path;
  std::string certificate_path;
  std::string private_key_path;
  std::string node_name;
  std::shared_ptr<const attestation::SigstoreConfig> sigstore;  // null: none
};
struct DockerAttestorKeys {  // attestation 2.3; empty: the default
  std::string docker_socket_path;
  std::string docker_version;
  std::string podman_socket_path;
  std::string podman_socket_path_template;
  std::vector<std::string> container_id_cgroup_matchers;
  bool verbose_container_locator_logs = false;
  std::shared_ptr<const attestation::SigstoreConfig> sigstore;  // null: none
};
runtime::Result<DiskKeyManagerKeys> disk_key_manager_keys(const PluginConfig& plugin, const runtime::Logger& log);
runtime::Result<X509PopKeys> x509pop_keys(const PluginConfig& plugin, const runtime::Logger& log);
runtime::Result<K8sTokenKeys> k8s_token_keys(const PluginConfig& plugin, const runtime::Logger& log);
runtime::Result<UnixAttestorKeys> unix_attestor_keys(const PluginConfig& plugin, const runtime::Logger& log);
runtime::Result<K8sAttestorKeys> k8s_attestor_keys(const PluginConfig& plugin, const runtime::Logger& log);
runtime::Result<DockerAttestorKeys> docker_attestor_keys(const PluginConfig& plugin, const runtime::Logger& log);

}  // namespace steeple::agent
