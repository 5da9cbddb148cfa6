// The keys of `sigstore` in the workload attestors `k8s` and `docker` (attestation 1.9), with their defaults filled in.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/core/secret_bytes.h"

namespace steeple::attestation {

inline constexpr char kPublicRekorUrl[] = "https://rekor.sigstore.dev";

struct RegistryCredential {
  std::string username;
  runtime::SecretBytes password;
};

struct SigstoreConfig {
  std::map<std::string, std::vector<std::string>> allowed_identities;  // issuer to subjects; either may be a pattern
  std::set<std::string> skipped_images;                                // image IDs as the attestor names them
  std::string rekor_url = kPublicRekorUrl;
  bool ignore_sct = false;
  bool ignore_tlog = false;
  bool ignore_attestations = false;
  std::map<std::string, RegistryCredential> registry_credentials;  // by registry: "ghcr.io", "127.0.0.1:5000"
};

}  // namespace steeple::attestation
