// The locator of the attestor `k8s`: /proc/PID/cgroup through the one of attestation/container that the configuration
// asks for. Logs which one, once.
#pragma once

#include "attestation/workload/k8s/k8s_attestor.h"

namespace steeple::attestation {

LocateContainer make_container_locator(const K8sConfig& config, const runtime::Logger& log);

}  // namespace steeple::attestation
