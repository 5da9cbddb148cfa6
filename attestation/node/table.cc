#include "attestation/node/table.h"

#include <algorithm>

namespace steeple::attestation {

namespace {

struct Factory {
  runtime::Result<std::unique_ptr<NodeAttestor>> operator()(JoinTokenConfig config) const {
    return make_join_token_attestor(std::move(config));
  }
  runtime::Result<std::unique_ptr<NodeAttestor>> operator()(K8sTokenConfig config) const {
    return make_k8s_token_attestor(std::move(config));
  }
  runtime::Result<std::unique_ptr<NodeAttestor>> operator()(X509PopConfig config) const {
    return make_x509pop_attestor(std::move(config));
  }
};

}  // namespace

const std::vector<std::string_view>& built_in_node_attestors() {
  static const std::vector<std::string_view> names = {kJoinTokenName, kK8sPsatName, kK8sSatName, kX509PopName};
  return names;
}

bool is_built_in_node_attestor(std::string_view name) {
  const std::vector<std::string_view>& names = built_in_node_attestors();
  return std::find(names.begin(), names.end(), name) != names.end();
}

runtime::Result<std::unique_ptr<NodeAttestor>> make_node_attestor(NodeAttestorConfig config) {
  return std::visit(Factory{}, std::move(config));
}

}  // namespace steeple::attestation
