// The plugins the configuration asks for, made from the tables of built-ins or started as processes of their own, with
// the log lines SPIRE prints while it loads and unloads them (config-cli 1.7, 5.4). The one place where plugin data
// becomes a plugin's config struct.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "agent/config/agent_config.h"
#include "agent/keys/key_manager.h"
#include "agent/plugin/external_plugin.h"
#include "attestation/node/attestor.h"
#include "attestation/workload/engine.h"
#include "attestation/workload/table.h"

namespace steeple::agent {

// What external plugins may use of the process; it outlives them.
struct ExternalPluginParts {
  runtime::Metrics& metrics;
  std::optional<rlim_t> open_files_soft;  // of their processes
};

class Catalog {
 public:
  // `config` outlives the catalog; its join token is moved into the node attestor. Errors are SPIRE's texts. Waits for
  // external plugins, and for attestors that have to get ready; what was loaded before a failure is unloaded.
  static runtime::Task<runtime::Result<Catalog>> load(AgentConfig& config,
                                                      const attestation::WorkloadAttestorParts& parts,
                                                      const ExternalPluginParts& external, runtime::StopToken stop,
                                                      const runtime::Logger& log);

  KeyManager& keys() { return *keys_; }
  attestation::NodeAttestor& node_attestor() { return *node_attestor_; }
  attestation::WorkloadEngine::Attestors take_workload_attestors() { return std::move(workload_attestors_); }

  // Where reconfigure() puts new attestors, and what they are made with. Both outlive the catalog's last reconfigure().
  void replace_in(attestation::WorkloadEngine& engine, const attestation::WorkloadAttestorParts& parts);
  // SIGUSR1, after replace_in(): reads the files of plugin_data_file again (config-cli 1.7). A workload attestor whose
  // file has changed is made anew and takes the old one's place; with a file that cannot be read or is wrong, and for
  // other built-ins, the old configuration stays, and the log says so. External plugins are told, one after the other.
  runtime::Task<void> reconfigure(runtime::StopToken stop);

  // Newest first. Waits for external plugins alone. Once, at the end of the process.
  runtime::Task<void> unload();

 private:
  struct Loaded {
    const PluginConfig* config;
    std::string hash;                          // of data_file, when it was read last
    std::unique_ptr<ExternalPlugin> external;  // none: built in
  };
  Catalog() = default;
  runtime::Task<runtime::Result<void>> load_all(AgentConfig& config, const attestation::WorkloadAttestorParts& parts,
                                                const ExternalPluginParts& external, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> load_external(const PluginConfig& plugin, const TrustDomain& trust_domain,
                                                     runtime::Loop& loop, const ExternalPluginParts& parts,
                                                     runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> configure_external(Loaded& loaded, runtime::StopToken stop);
  void log_configured(const Loaded& loaded) const;
  runtime::Task<void> unload_plugins();
  runtime::Task<runtime::Result<void>> make(const PluginConfig& plugin, AgentConfig& config,
                                            const attestation::WorkloadAttestorParts& parts, runtime::StopToken stop);
  runtime::Result<void> make_key_manager(const PluginConfig& plugin);
  // `keys_log`: of what is to be said about the plugin's keys.
  runtime::Task<runtime::Result<std::unique_ptr<attestation::WorkloadAttestor>>> make_workload_attestor(
      const PluginConfig& plugin, attestation::WorkloadAttestorParts parts, const runtime::Logger& keys_log,
      runtime::StopToken stop) const;
  runtime::Result<void> make_node_attestor(const PluginConfig& plugin, AgentConfig& config);
  runtime::Task<void> reconfigure_one(Loaded& loaded, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> replace(const PluginConfig& plugin, runtime::StopToken stop) const;

  runtime::Logger log_;  // subsystem "catalog"
  runtime::Logger root_;
  std::unique_ptr<KeyManager> keys_;
  std::unique_ptr<attestation::NodeAttestor> node_attestor_;
  attestation::WorkloadEngine::Attestors workload_attestors_;
  std::vector<Loaded> loaded_;
  attestation::WorkloadEngine* engine_ = nullptr;
  std::optional<attestation::WorkloadAttestorParts> parts_;
};

}  // namespace steeple::agent
