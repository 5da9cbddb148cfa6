// The plugins the configuration asks for, made from the tables of built-ins, with the log lines SPIRE prints while it
// loads and unloads them (config-cli 1.7, 5.4). The one place where plugin data becomes a plugin's config struct.
#pragma once

#include <memory>
#include <vector>

#include "agent/config/agent_config.h"
#include "agent/keys/key_manager.h"
#include "attestation/node/attestor.h"
#include "attestation/workload/engine.h"
#include "attestation/workload/table.h"

namespace steeple::agent {

class Catalog {
 public:
  // `config` outlives the catalog; its join token is moved into the node attestor. Errors are SPIRE's texts.
  static runtime::Result<Catalog> load(AgentConfig& config, const attestation::WorkloadAttestorParts& parts,
                                       const runtime::Logger& log);

  KeyManager& keys() { return *keys_; }
  attestation::NodeAttestor& node_attestor() { return *node_attestor_; }
  attestation::WorkloadEngine::Attestors take_workload_attestors() { return std::move(workload_attestors_); }

  // SIGUSR1: looks at the plugins whose data is a file. Steeple does not change a running plugin; it says so for each
  // file that has changed, and the configuration stays as it was.
  void reconfigure() const;

  void log_unloading() const;  // newest first

 private:
  struct Loaded {
    const PluginConfig* config;
    std::string data_text;  // of data_file, when it was loaded
  };
  Catalog() = default;
  runtime::Result<void> make(const PluginConfig& plugin, AgentConfig& config,
                             const attestation::WorkloadAttestorParts& parts);
  runtime::Result<void> make_workload_attestor(const PluginConfig& plugin, attestation::WorkloadAttestorParts parts);
  runtime::Result<void> make_node_attestor(const PluginConfig& plugin, AgentConfig& config);

  runtime::Logger log_;  // subsystem "catalog"
  runtime::Logger root_;
  std::unique_ptr<KeyManager> keys_;
  std::unique_ptr<attestation::NodeAttestor> node_attestor_;
  attestation::WorkloadEngine::Attestors workload_attestors_;
  std::vector<Loaded> loaded_;
};

}  // namespace steeple::agent
