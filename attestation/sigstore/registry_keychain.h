// Who one is to a registry where `registry_credentials` does not say: the login that Docker or Podman has stored, by
// the rules of go-containerregistry's default keychain (pkg/authn): config.json in .docker of HOME or in DOCKER_CONFIG;
// where neither is there, REGISTRY_AUTH_FILE, then containers/auth.json in XDG_RUNTIME_DIR or XDG_CONFIG_HOME. Files
// are small and read on the calling thread. Programs that keep passwords (credsStore, credHelpers) are not run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "attestation/kube/access.h"
#include "attestation/sigstore/image_reference.h"
#include "runtime/core/log.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::attestation {

inline constexpr std::size_t kLoginFileBytesMax = 1 << 20;

// At most one of the four ways; none of them: nobody.
struct RegistryLogin {
  std::string username;
  runtime::SecretBytes password;
  runtime::SecretBytes identity_token;  // for tokens by OAuth 2
  runtime::SecretBytes registry_token;  // is the bearer token itself

  bool anonymous() const;
  // "Basic BASE64"; empty without name and password.
  std::string basic() const;
};

struct StoredLogin {
  RegistryLogin login;
  bool by_helper = false;  // a program would know it
};

// Of a file's text, for "HOST/REPOSITORY", then for "HOST". kMalformed: not a login file.
runtime::Result<StoredLogin> parse_stored_login(std::string_view json, const ImageReference& image);

// Warns of a helper that is not run.
runtime::Result<RegistryLogin> find_stored_login(const Environment& environment, const ImageReference& image,
                                                 const runtime::Logger& log);

}  // namespace steeple::attestation
