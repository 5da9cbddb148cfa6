#include "agent/app/catalog.h"

#include <cstdlib>

#include "agent/config/expand_env.h"
#include "agent/keys/disk_key_manager.h"
#include "agent/keys/memory_key_manager.h"
#include "agent/plugin/external_attestor.h"
#include "attestation/node/table.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "runtime/tls/encoding.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::LogFields;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::size_t kPluginDataBytesMax = 1u << 20;
constexpr std::chrono::seconds kPreparationTime{60};  // of an attestor

LogFields fields_of(const PluginConfig& plugin) {
  return {{"external", plugin.external()}, {"plugin_name", plugin.name}, {"plugin_type", plugin.type}};
}

// A plugin's own complaint as the host logs it and passes it on. `status`: the gRPC status that SPIRE's plugin gives.
Error failed_to_configure(const PluginConfig& plugin, const Error& cause, const runtime::Logger& log,
                          std::string_view status = "InvalidArgument") {
  const std::string text = fmt::format("rpc error: code = {} desc = {}", status, cause.message());
  LogFields fields = fields_of(plugin);
  fields.emplace_back("error", text);
  log.error("Failed to configure plugin", std::move(fields));
  return Error(ErrorCode::kInvalidArgument, fmt::format("failed to configure plugin \"{}\": {}", plugin.name, text));
}

// What has no keys is not configured.
bool is_configured(const PluginConfig& plugin) {
  return plugin.name != attestation::kJoinTokenName && plugin.name != attestation::kSystemdName &&
         plugin.name != "memory";
}

// As SPIRE tells configurations apart in its log.
std::string hash_of(std::string_view text) {
  return runtime::to_hex(runtime::BytesView(runtime::sha512(runtime::as_bytes(text))).first(16));
}

std::string hash_of_data_file(const PluginConfig& plugin) {
  if (!plugin.data_file) return {};
  return hash_of(runtime::read_file(*plugin.data_file, kPluginDataBytesMax).value_or(std::string()));
}

attestation::K8sConfig k8s_config(K8sAttestorKeys keys) {
  attestation::K8sConfig config;
  config.kubelet.read_only_port = keys.kubelet_read_only_port;
  config.kubelet.secure_port = keys.kubelet_secure_port;
  config.kubelet.node_name = std::move(keys.node_name);
  config.kubelet.skip_verification = keys.skip_kubelet_verification;
  config.kubelet.ca_path = std::move(keys.kubelet_ca_path);
  config.kubelet.token_path = std::move(keys.token_path);
  config.kubelet.certificate_path = std::move(keys.certificate_path);
  config.kubelet.private_key_path = std::move(keys.private_key_path);
  config.kubelet.anonymous = keys.use_anonymous_authentication;
  config.kubelet.reload_interval = keys.reload_interval;
  config.disable_kubelet_client = keys.disable_kubelet_client;
  config.max_poll_attempts = keys.max_poll_attempts;
  config.poll_retry_interval = keys.poll_retry_interval;
  config.pod_index_max_age = keys.pod_index_max_age;
  config.disable_container_selectors = keys.disable_container_selectors;
  config.use_new_container_locator = keys.use_new_container_locator;
  config.verbose_container_locator_logs = keys.verbose_container_locator_logs;
  config.enable_namespace_labels = keys.enable_namespace_labels;
  config.api_server_cache = keys.api_server_cache;
  config.sigstore = std::move(keys.sigstore);
  config.environment = process_environment();
  return config;
}

Result<attestation::NodeAttestorConfig> node_attestor_config(const PluginConfig& plugin, const runtime::Logger& log) {
  if (plugin.name == attestation::kX509PopName) {
    STEEPLE_TRY(keys, x509pop_keys(plugin, log));
    return attestation::X509PopConfig{keys.private_key_path, keys.certificate_path, keys.intermediates_path, {}};
  }
  for (std::string_view kind : {attestation::kK8sSatName, attestation::kK8sPsatName}) {
    if (plugin.name != kind) continue;
    STEEPLE_TRY(keys, k8s_token_keys(plugin, log));
    return attestation::K8sTokenConfig{kind, keys.cluster, keys.token_path};
  }
  return attestation::JoinTokenConfig();
}

attestation::DockerConfig docker_config(DockerAttestorKeys keys) {
  attestation::DockerConfig config;
  if (!keys.docker_socket_path.empty()) config.docker_host = std::move(keys.docker_socket_path);
  config.docker_version = std::move(keys.docker_version);
  if (!keys.podman_socket_path.empty()) config.podman_host = std::move(keys.podman_socket_path);
  if (!keys.podman_socket_path_template.empty())
    config.podman_host_template = std::move(keys.podman_socket_path_template);
  config.cgroup_matchers = std::move(keys.container_id_cgroup_matchers);
  config.verbose_container_locator_logs = keys.verbose_container_locator_logs;
  config.sigstore = std::move(keys.sigstore);
  config.environment = process_environment();
  return config;
}

Result<attestation::WorkloadAttestorConfig> workload_attestor_config(const PluginConfig& plugin,
                                                                     const runtime::Logger& log) {
  if (plugin.name == attestation::kK8sName) {
    STEEPLE_TRY(keys, k8s_attestor_keys(plugin, log));
    return k8s_config(std::move(keys));
  }
  if (plugin.name == attestation::kDockerName) {
    STEEPLE_TRY(keys, docker_attestor_keys(plugin, log));
    return docker_config(std::move(keys));
  }
  if (plugin.name == attestation::kSystemdName) {
    attestation::SystemdConfig systemd;
    if (const char* address = std::getenv("DBUS_SYSTEM_BUS_ADDRESS"); address && *address != '\0') {
      systemd.bus_address = address;
    }
    return systemd;
  }
  STEEPLE_TRY(keys, unix_attestor_keys(plugin, log));
  return attestation::UnixConfig{keys.discover_workload_path, keys.workload_size_limit};
}

}  // namespace

Task<Result<Catalog>> Catalog::load(AgentConfig& config, const attestation::WorkloadAttestorParts& parts,
                                    const ExternalPluginParts& external, StopToken stop, const runtime::Logger& log) {
  Catalog catalog;
  catalog.root_ = log;
  catalog.log_ = log.with_subsystem("catalog");
  STEEPLE_CO_CHECK(check_plugins(config.plugins, log));
  Result<void> loaded = co_await catalog.load_all(config, parts, external, stop);
  if (loaded) co_return std::move(catalog);
  co_await catalog.unload_plugins();
  co_return std::move(loaded.error());
}

Task<Result<void>> Catalog::load_all(AgentConfig& config, const attestation::WorkloadAttestorParts& parts,
                                     const ExternalPluginParts& external, StopToken stop) {
  for (const PluginConfig& plugin : config.plugins.all()) {
    LogFields fields = fields_of(plugin);
    if (!plugin.enabled) {
      log_.debug("Not loading plugin; disabled", fields);
      continue;
    }
    if (plugin.external()) {
      STEEPLE_CO_CHECK(co_await load_external(plugin, config.trust_domain, parts.loop, external, stop));
    } else {
      loaded_.push_back(Loaded{&plugin, hash_of_data_file(plugin), nullptr});
      STEEPLE_CO_CHECK(co_await make(plugin, config, parts, stop));
      if (is_configured(plugin)) log_configured(loaded_.back());
    }
    log_.info("Plugin loaded", std::move(fields));
  }
  co_return Result<void>();
}

void Catalog::log_configured(const Loaded& loaded) const {
  LogFields fields = fields_of(*loaded.config);
  fields.emplace_back("reconfigurable", loaded.config->data_file.has_value());
  if (loaded.config->data_file) fields.emplace_back("hash", loaded.hash);
  log_.info("Configured plugin", std::move(fields));
}

Task<Result<void>> Catalog::load_external(const PluginConfig& plugin, const TrustDomain& trust_domain,
                                          runtime::Loop& loop, const ExternalPluginParts& parts, StopToken stop) {
  const runtime::Logger log = log_.with(fields_of(plugin));
  const auto failed = [&](std::string_view doing, const Error& error) {
    log.error(fmt::format("Failed to {} plugin", doing), {{"error", error}});
    return error.with_context(fmt::format("failed to {} plugin {}", doing, runtime::go_quote(plugin.name)));
  };
  ExternalPluginOptions options{plugin.type,     plugin.name,         plugin.command,       plugin.arguments,
                                plugin.checksum, trust_domain.name(), parts.open_files_soft};
  auto external = std::make_unique<ExternalPlugin>(loop, parts.metrics, std::move(options), log);
  if (Result<void> started = co_await external->load(stop); !started) {
    co_await external->unload();
    co_return failed("load", started.error());
  }
  loaded_.push_back(Loaded{&plugin, {}, std::move(external)});
  Loaded& loaded = loaded_.back();
  if (Result<void> bound = loaded.external->bind(kWorkloadAttestorService); !bound) {
    co_return failed("bind", bound.error());
  }
  if (Result<void> configured = co_await configure_external(loaded, stop); !configured) {
    co_return failed("configure", configured.error());
  }
  workload_attestors_.push_back(std::make_unique<ExternalAttestor>(*loaded.external));
  co_return Result<void>();
}

Task<Result<void>> Catalog::configure_external(Loaded& loaded, StopToken stop) {
  if (!loaded.external->configurable()) {
    if (!loaded.config->has_data()) co_return Result<void>();
    co_return Error(ErrorCode::kInvalidArgument, "no supported configuration interface found");
  }
  STEEPLE_CO_TRY(text, loaded.config->data_text());
  loaded.hash = hash_of(text);
  STEEPLE_CO_CHECK(co_await loaded.external->configure(std::move(text), stop));
  log_configured(loaded);
  co_return Result<void>();
}

Task<Result<void>> Catalog::make(const PluginConfig& plugin, AgentConfig& config,
                                 const attestation::WorkloadAttestorParts& parts, StopToken stop) {
  if (plugin.type == "NodeAttestor") co_return make_node_attestor(plugin, config);
  if (plugin.type == "KeyManager") co_return make_key_manager(plugin);
  STEEPLE_CO_TRY(attestor, co_await make_workload_attestor(plugin, parts, log_, stop));
  workload_attestors_.push_back(std::move(attestor));
  co_return Result<void>();
}

Result<void> Catalog::make_key_manager(const PluginConfig& plugin) {
  if (plugin.name == "memory") {
    keys_ = std::make_unique<MemoryKeyManager>();
    return {};
  }
  STEEPLE_TRY(keys, disk_key_manager_keys(plugin, log_));
  auto manager = DiskKeyManager::open(keys.directory, root_);
  if (!manager) {
    const bool unusable = manager.error().code() == ErrorCode::kFailedPrecondition;
    return failed_to_configure(plugin, manager.error(), log_, unusable ? "FailedPrecondition" : "Unknown");
  }
  keys_ = std::move(*manager);
  return {};
}

Task<Result<std::unique_ptr<attestation::WorkloadAttestor>>> Catalog::make_workload_attestor(
    const PluginConfig& plugin, attestation::WorkloadAttestorParts parts, const runtime::Logger& keys_log,
    StopToken stop) const {
  STEEPLE_CO_TRY(config, workload_attestor_config(plugin, keys_log));
  parts.log = log_.with(fields_of(plugin));
  auto attestor = attestation::make_workload_attestor(std::move(config), parts);
  if (!attestor) co_return failed_to_configure(plugin, attestor.error(), keys_log);
  Result<void> prepared = co_await (*attestor)->prepare(runtime::Deadline::in(kPreparationTime), stop);
  if (!prepared) co_return failed_to_configure(plugin, prepared.error(), keys_log);
  co_return std::move(*attestor);
}

// A configured join token goes before the configured plugin, whose keys are checked all the same (server-sync 2.1).
Result<void> Catalog::make_node_attestor(const PluginConfig& plugin, AgentConfig& config) {
  STEEPLE_TRY(attestor_config, node_attestor_config(plugin, log_));
  bool by_token = plugin.name == attestation::kJoinTokenName || !config.join_token.empty();
  if (by_token && plugin.name != attestation::kJoinTokenName) {
    auto checked = attestation::make_node_attestor(std::move(attestor_config));
    if (!checked) return failed_to_configure(plugin, checked.error(), log_);
  }
  if (by_token) attestor_config = attestation::JoinTokenConfig(std::move(config.join_token));
  auto attestor = attestation::make_node_attestor(std::move(attestor_config));
  if (!attestor) return failed_to_configure(plugin, attestor.error(), log_);
  node_attestor_ = std::move(*attestor);
  return {};
}

void Catalog::replace_in(attestation::WorkloadEngine& engine, const attestation::WorkloadAttestorParts& parts) {
  engine_ = &engine;
  parts_.emplace(parts);
}

Task<void> Catalog::reconfigure(StopToken stop) {
  root_.with_subsystem("reconfigurer").info("Reconfigure signal received");
  for (Loaded& loaded : loaded_) {
    if (loaded.config->data_file) co_await reconfigure_one(loaded, stop);
  }
}

Task<void> Catalog::reconfigure_one(Loaded& loaded, StopToken stop) {
  const runtime::Logger log = log_.with(fields_of(*loaded.config));
  Result<std::string> text = loaded.config->data_text();
  if (!text) co_return log.error("Failed to reconfigure plugin", {{"error", text.error()}});
  std::string hash = hash_of(*text);
  if (hash == loaded.hash) {
    co_return log.info("Plugin not reconfigured since the config is unchanged", {{"hash", hash}});
  }
  Result<void> changed = loaded.external ? co_await loaded.external->configure(std::move(*text), stop)
                                         : co_await replace(*loaded.config, stop);
  if (!changed) co_return log.error("Failed to reconfigure plugin", {{"error", changed.error()}});
  log.info("Plugin reconfigured", {{"new_hash", hash}, {"old_hash", loaded.hash}});
  loaded.hash = std::move(hash);
}

Task<Result<void>> Catalog::replace(const PluginConfig& plugin, StopToken stop) const {
  if (plugin.type != "WorkloadAttestor") {
    co_return Error(ErrorCode::kUnimplemented, "a running plugin of this type is not changed; restart the agent");
  }
  auto attestor = co_await make_workload_attestor(plugin, *parts_, runtime::Logger(), stop);
  if (attestor) {
    engine_->replace(std::move(*attestor));
    co_return Result<void>();
  }
  // The line it is put in says what was tried.
  std::string why = attestor.error().message();
  const std::string tried = fmt::format("failed to configure plugin \"{}\": ", plugin.name);
  if (why.starts_with(tried)) why.erase(0, tried.size());
  co_return Error(attestor.error().code(), std::move(why));
}

Task<void> Catalog::unload() {
  log_.debug("Closing catalog");
  co_await unload_plugins();
  log_.info("Catalog closed");
}

Task<void> Catalog::unload_plugins() {
  for (auto loaded = loaded_.rbegin(); loaded != loaded_.rend(); ++loaded) {
    const LogFields fields = fields_of(*loaded->config);
    log_.debug("Unloading plugin", fields);
    if (loaded->external) {
      co_await loaded->external->unload();
    } else {
      log_.debug("Plugin deinitialized", fields);
    }
    log_.info("Plugin unloaded", fields);
  }
}

}  // namespace steeple::agent
