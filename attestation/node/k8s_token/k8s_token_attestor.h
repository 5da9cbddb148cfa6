// Node attestors k8s_sat and k8s_psat, the agent's side (attestation 3.3, 3.4): a service account's token from a file.
// The file is read anew at each attestation, since the kubelet rotates it; what is in it is sent as it is, a final line
// end included. There are no challenges. The token is wiped with the exchange and never logged.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "attestation/node/attestor.h"

namespace steeple::attestation {

inline constexpr std::string_view kK8sSatName = "k8s_sat";
inline constexpr std::string_view kK8sPsatName = "k8s_psat";
inline constexpr std::string_view kK8sSatTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount/token";
inline constexpr std::string_view kK8sPsatTokenPath = "/var/run/secrets/tokens/spire-agent";

struct K8sTokenConfig {
  std::string_view kind;  // kK8sSatName or kK8sPsatName
  std::string cluster;
  std::string token_path;  // empty: the kind's default
};

runtime::Result<std::unique_ptr<NodeAttestor>> make_k8s_token_attestor(K8sTokenConfig config);

}  // namespace steeple::attestation
