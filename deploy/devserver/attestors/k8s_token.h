// k8s_sat and k8s_psat (attestation 3.3, 3.4): an API server says whose token the agent showed, or for k8s_sat the keys
// that sign them. k8s_sat names each attestation anew and cannot attest again; k8s_psat names the agent by its node,
// and can.
#pragma once

#include <set>

#include "deploy/devserver/attestors/attestor.h"
#include "deploy/devserver/kube/api.h"
#include "runtime/core/clock.h"

namespace steeple::devserver {

inline constexpr std::string_view kDefaultPsatAudience = "spire-server";

// One row of `clusters`.
struct K8sClusterConfig {
  std::string kubeconfig_path;                          // empty: the pod this runs in
  std::set<std::string, std::less<>> allowed_accounts;  // "NAMESPACE:NAME"
  // k8s_sat alone:
  std::string key_file;  // PEM; empty: the API server is asked
  // k8s_psat alone:
  std::vector<std::string> audiences{std::string(kDefaultPsatAudience)};  // none: the API server's own
  std::set<std::string, std::less<>> allowed_node_labels;
  std::set<std::string, std::less<>> allowed_pod_labels;
  bool pod_uid_in_id = false;
};
using K8sClusterConfigs = std::map<std::string, K8sClusterConfig, std::less<>>;

struct K8sCluster {
  K8sClusterConfig config;
  std::unique_ptr<KubeApi> api;      // null with keys
  std::vector<runtime::Bytes> keys;  // SubjectPublicKeyInfo
};
using K8sClusters = std::map<std::string, K8sCluster, std::less<>>;

// The clusters and the clock outlive the attestors.
std::unique_ptr<AgentAttestor> make_k8s_sat_attestor(K8sClusters& clusters, const runtime::Clock& clock);
std::unique_ptr<AgentAttestor> make_k8s_psat_attestor(K8sClusters& clusters);

}  // namespace steeple::devserver
