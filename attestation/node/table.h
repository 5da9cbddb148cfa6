// The table of built-in node attestors: one line, one folder and one config struct each. The agent's configuration
// layer turns plugin_data into one of the structs; a name that is not here is refused by it, by name.
#pragma once

#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "attestation/node/attestor.h"
#include "attestation/node/join_token/join_token_attestor.h"
#include "attestation/node/k8s_token/k8s_token_attestor.h"
#include "attestation/node/x509pop/x509pop_attestor.h"

namespace steeple::attestation {

using NodeAttestorConfig = std::variant<JoinTokenConfig, K8sTokenConfig, X509PopConfig>;

const std::vector<std::string_view>& built_in_node_attestors();  // sorted
bool is_built_in_node_attestor(std::string_view name);

// Checks the configuration as the plugin's Configure does (files are read as a test). Errors are the plugin's bare
// texts with kInvalidArgument.
runtime::Result<std::unique_ptr<NodeAttestor>> make_node_attestor(NodeAttestorConfig config);

}  // namespace steeple::attestation
