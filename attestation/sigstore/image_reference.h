// The name of an image as go-containerregistry reads it (pkg/name, ParseReference, weak validation): where it is kept,
// and under which tag or digest. What has no registry is Docker Hub's, what has neither tag nor digest is "latest", a
// tag before a digest is passed over. Nothing is taken off: "docker-pullable://HOST/..." names a registry of that odd
// name, as for SPIRE. Pure.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr char kDockerHub[] = "index.docker.io";

struct ImageReference {
  std::string registry;    // "ghcr.io", "127.0.0.1:5000"
  std::string repository;  // "library/debian"
  std::string tag;         // empty where there is a digest
  std::string digest;      // "sha256:HEX"

  std::string name() const;  // "ghcr.io/o/r@sha256:HEX", "ghcr.io/o/r:TAG"
  // What `tag` or `digest` is to a registry.
  const std::string& identifier() const { return digest.empty() ? tag : digest; }
};

// kMalformed: "could not parse reference: TEXT".
runtime::Result<ImageReference> parse_image_reference(std::string_view text);

// Whether the registry may be asked by plain HTTP where HTTPS fails: the machine itself and private IPv4 addresses
// (pkg/name, Registry.Scheme).
bool allows_plain_http(std::string_view registry);

bool is_sha256_digest(std::string_view text);  // "sha256:" and 64 lower-case hex digits

}  // namespace steeple::attestation
