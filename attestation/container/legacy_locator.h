// SPIRE's locator of before 1.9 (`use_new_container_locator = false`, attestation 1.4), for pods only. It differs from
// the new one in that the container's id must end the path (but for one ".scope"), lines that name no container are
// passed over, static pods have a UID, the outermost pod counts, and a container without a pod is one of CRI-O only.
// Pure functions; errors carry upstream's texts.
#pragma once

#include <string_view>

#include "attestation/container/container_locator.h"

namespace steeple::attestation {

// kInternal: not a cgroup file. kFailedPrecondition: the lines contradict each other.
runtime::Result<ContainerIds> locate_container_legacy(std::string_view cgroup_file);

}  // namespace steeple::attestation
