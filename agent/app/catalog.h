// The plugins the configuration asks for, made from the tables of built-ins, with the log lines SPIRE prints while it
// loads and unloads them (config-cli 1.7, 5.4). The one place where plugin data becomes a plugin's config struct.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "agent/config/agent_config.h"
#include "agent/keys/key_manager.h"
#include "attestation/node/attestor.h"
#include "attestation/workload/engine.h"
#include "attestation/workload/table.h"

namespace steeple::agent {

class Catalog {
 public:
  // Runs the loop while an attestor gets ready. `config` outlives the catalog; its join token is moved into the node
  // attestor. Errors are SPIRE's texts.
  static runtime::Result<Catalog> load(AgentConfig& config, const attestation::WorkloadAttestorParts& parts,
                                       const runtime::Logger& log, runtime::StopToken stop);

  KeyManager& keys() { return *keys_; }
  attestation::NodeAttestor& node_attestor() { return *node_attestor_; }
  attestation::WorkloadEngine::Attestors take_workload_attestors() { return std::move(workload_attestors_); }

  // Where reconfigure() puts new attestors, and what they are made with. Both outlive the catalog's last reconfigure().
  void replace_in(attestation::WorkloadEngine& engine, const attestation::WorkloadAttestorParts& parts);
  // SIGUSR1, after replace_in(): reads the files of plugin_data_file again (config-cli 1.7). A workload attestor whose
  // file has changed is made anew and takes the old one's place; with a file that cannot be read or is wrong, and for
  // plugins of other types, the old configuration stays, and the log says so.
  runtime::Task<void> reconfigure(runtime::StopToken stop);

  void log_unloading() const;  // newest first

 private:
  struct Loaded {
    const PluginConfig* config;
    std::string hash;  // of data_file, when it was read last
  };
  Catalog() = default;
  runtime::Result<void> load_all(AgentConfig& config, const attestation::WorkloadAttestorParts& parts,
                                 runtime::StopToken stop);
  void log_plugins_unloading() const;
  runtime::Result<void> make(const PluginConfig& plugin, AgentConfig& config,
                             const attestation::WorkloadAttestorParts& parts, runtime::StopToken stop);
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
