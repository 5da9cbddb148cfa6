// The block `sigstore` of the workload attestors k8s and docker (attestation 1.9). Internal to agent/config.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/config/hcl/object_reader.h"
#include "attestation/sigstore/config.h"

namespace steeple::agent {

// Keys that nobody knows are overlooked in it, as SPIRE does.
class SigstoreKeys {
 public:
  runtime::Result<void> read(hcl::ObjectReader& plugin);  // of the plugin's keys
  // About what was read; empty: nothing.
  std::string complaint() const;
  std::shared_ptr<const attestation::SigstoreConfig> config() const { return config_; }  // null: no such block

 private:
  runtime::Result<void> read_block(hcl::ObjectReader& block);
  runtime::Result<void> read_credentials(hcl::ObjectReader& block);
  std::shared_ptr<attestation::SigstoreConfig> config_;
};

}  // namespace steeple::agent
