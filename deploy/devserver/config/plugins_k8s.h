// The keys of the plugins that talk to Kubernetes: node attestors k8s_sat and k8s_psat, notifier k8sbundle
// (attestation 3.3, 3.4, 4.1). Texts are SPIRE's where it refuses the same.
#pragma once

#include "agent/config/hcl/object_reader.h"
#include "deploy/devserver/config/config.h"

namespace steeple::devserver {

runtime::Result<void> read_k8s_sat(agent::hcl::ObjectReader& reader, DevServerConfig& config);
runtime::Result<void> read_k8s_psat(agent::hcl::ObjectReader& reader, DevServerConfig& config);
runtime::Result<void> read_k8s_bundle(agent::hcl::ObjectReader& reader, DevServerConfig& config);

}  // namespace steeple::devserver
