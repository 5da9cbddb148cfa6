// From a process' cgroups to its container and pod: SPIRE's "new container locator" (attestation 1.3, 1.5) on
// /proc/PID/cgroup alone. The mount table is never read: a workload can forge it. Pure but for the one read. Errors
// carry upstream's texts.
#pragma once

#include <string_view>

#include "attestation/workload/k8s/k8s_attestor.h"

namespace steeple::attestation {

inline constexpr std::size_t kCgroupFileBytesMax = 1024 * 1024;

// kInternal: not a cgroup file. kFailedPrecondition: the lines contradict each other.
runtime::Result<ContainerQuery> container_of_cgroups(std::string_view cgroup_file);

LocateContainer make_container_locator(const K8sConfig& config, const runtime::Logger& log);

}  // namespace steeple::attestation
