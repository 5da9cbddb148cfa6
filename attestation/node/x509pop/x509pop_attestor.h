// Node attestor x509pop, the agent's side (attestation 3.5): shows a certificate chain from files and proves possession
// of its key. The files are read once as a test when configured, and anew at each attestation. The key lives for one
// exchange only. spiffe_endpoint_socket (a chain from another Workload API) is not there and refused by name.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "attestation/node/attestor.h"

namespace steeple::attestation {

inline constexpr std::string_view kX509PopName = "x509pop";

struct X509PopConfig {
  std::string private_key_path;
  std::string certificate_path;
  std::string intermediates_path;
  std::string spiffe_endpoint_socket;
};

runtime::Result<std::unique_ptr<NodeAttestor>> make_x509pop_attestor(X509PopConfig config);

}  // namespace steeple::attestation
