// The keys of the attestor `docker` (attestation 2.3), checked and with their defaults filled in.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attestation/kube/access.h"
#include "attestation/sigstore/config.h"

namespace steeple::attestation {

inline constexpr char kDockerHost[] = "unix:///var/run/docker.sock";
inline constexpr char kPodmanHost[] = "unix:///run/podman/podman.sock";
inline constexpr char kPodmanHostTemplate[] = "unix:///run/user/%d/podman/podman.sock";
inline constexpr std::string_view kUnixScheme = "unix://";

struct DockerConfig {
  std::string docker_host = kDockerHost;
  std::string docker_version;  // "1.44"; empty: the daemon's own newest
  std::string podman_host = kPodmanHost;
  std::string podman_host_template = kPodmanHostTemplate;  // one %d, the user's number
  std::vector<std::string> cgroup_matchers;                // empty: the new container locator
  bool verbose_container_locator_logs = false;
  std::shared_ptr<const SigstoreConfig> sigstore;  // null: images are not verified
  Environment environment = [](const std::string&) { return std::optional<std::string>(); };
};

}  // namespace steeple::attestation
