// What the Docker Engine API says of a container and of an image (GET /containers/ID/json, GET /images/NAME/json), as
// far as it becomes selectors. Read on demand, without a tree. Foreign input: labels and environment are the workload
// author's. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/selector/selector.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr std::string_view kDockerName = "docker";

struct DockerContainer {
  Selectors selectors;              // label, env, image_id
  std::string image;                // as it was named when the container was made
  std::optional<std::int64_t> pid;  // of its first process, as the daemon sees it; 0: none; nothing: not said
};

// kMalformed: not a container. Fields that are absent or null are empty.
runtime::Result<DockerContainer> parse_docker_container(std::string_view json);

struct DockerImage {
  std::string id;                         // "sha256:..."; may be empty
  std::vector<std::string> repo_digests;  // "REGISTRY/REPOSITORY@sha256:..."
};

// kMalformed: not an image.
runtime::Result<DockerImage> parse_docker_image(std::string_view json);

// The "message" of an error answer; empty when there is none.
std::string parse_docker_message(std::string_view json);

}  // namespace steeple::attestation
