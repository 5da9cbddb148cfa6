// The `federation` block of server.conf: the own bundle endpoint, and whom the server federates with.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "agent/config/hcl/object_reader.h"
#include "deploy/devserver/federation/relationship.h"

namespace steeple::devserver {

struct ServingCertificateFiles {
  std::string certificate;  // PEM, leaf first
  std::string key;          // PEM
  std::chrono::seconds sync_interval{3600};
};

struct BundleEndpointConfig {
  std::string address;  // IP address or name; empty: all
  std::uint16_t port = 0;
  std::chrono::seconds refresh_hint{300};
  std::optional<ServingCertificateFiles> serving;  // https_web; nothing: https_spiffe
};

struct FederationConfig {
  std::optional<BundleEndpointConfig> endpoint;
  FederationTargets federates_with;
  std::chrono::seconds hint_min = kRefreshHintMin;  // `development` block
};

// `acme` is refused by name. Errors are SPIRE's where it has one.
runtime::Result<void> read_federation(agent::hcl::ObjectReader& reader, FederationConfig& config);

}  // namespace steeple::devserver
