// The block `experimental` of the workload attestor `k8s` (attestation 1.1, 1.10): the cache of the API server, and the
// broker, which is checked as SPIRE checks it and then refused by name. Internal to agent/config.
#pragma once

#include <string>
#include <vector>

#include "agent/config/plugin_keys.h"

namespace steeple::agent {

struct K8sExperimental {
  bool cache_enabled = false;
  bool broker = false;

  runtime::Result<void> read(hcl::ObjectReader& block);
  // In SPIRE's order and words; empty: none.
  std::string complaint() const;
  // With disable_kubelet_client a broker's pods are looked up in the cluster alone.
  std::string scope_complaint() const;

 private:
  struct Broker {
    std::string id;
    std::string scope;
    hcl::UnknownKeys unknown;
  };
  runtime::Result<void> read_api_server(hcl::ObjectReader& block);
  runtime::Result<void> read_broker(hcl::ObjectReader& block);
  std::string broker_complaint() const;
  std::string entry_complaint(std::size_t place) const;

  hcl::UnknownKeys unknown_, unknown_in_api_server_, unknown_in_cache_, unknown_in_broker_;
  std::string access_policy_;
  std::vector<Broker> brokers_;
};

}  // namespace steeple::agent
