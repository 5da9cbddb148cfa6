// What a DiscoveryRequest asks for, without what SDS never looks at. Pure values; parsing is the one step that sees
// foreign bytes (at most one gRPC message, 4 MiB). Source: endpoints 3.2, 3.3.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/bytes.h"

namespace steeple::agent {

// What a node tells of the Envoy behind it.
struct SdsNode {
  bool knows_spiffe_validator = true;         // Envoy 1.18 and later, or no build version at all
  std::optional<bool> disable_spiffe_checks;  // node.metadata["disable_spiffe_cert_validation"]
  bool operator==(const SdsNode&) const = default;
};

struct SdsRequest {
  std::vector<std::string> names;  // as sent: duplicates and empty ones included
  std::string type_url;
  std::string version_info;
  std::string response_nonce;
  std::optional<SdsNode> node;
  std::optional<std::string> error_message;  // of error_detail

  // Nothing when the bytes are no DiscoveryRequest.
  static std::optional<SdsRequest> parse(runtime::BytesView message);
};

// The set that a list of names asks for: sorted, unique, without empty ones. Empty: everything.
std::vector<std::string> wanted_names(const std::vector<std::string>& names);

// Whether a list differs from the one before: another length, or a name that was not in it.
bool names_changed(const std::vector<std::string>& before, const std::vector<std::string>& now);

}  // namespace steeple::agent
