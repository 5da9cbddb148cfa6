// Which daemon a container belongs to (attestation 2.3): a cgroup path that Podman made leads to Podman's socket, of
// the user whose slice it lies in, or of root; anything else to Docker's. A user's own Podman is that user's word: what
// it says of its containers counts as much as the user does. Pure.
#pragma once

#include <string>
#include <string_view>

#include "attestation/workload/docker/docker_config.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

// Exactly one %d; "%%" is a percent sign. kInvalidArgument with upstream's text.
runtime::Result<void> check_podman_template(std::string_view text);

// Podman's address, as in the configuration; empty: not Podman's container. kMalformed: not a cgroup file.
runtime::Result<std::string> podman_host_of(std::string_view cgroup_file, const DockerConfig& config);

}  // namespace steeple::attestation
