// Federation relationships as the command line takes them, by flags or in a file of JSON, and shows them
// (cmd/spire-server/cli/federation). Pure but for the file of a bundle.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace spire::api::types {
class FederationRelationship;
}

namespace steeple::devserver {

struct RelationshipInput {
  std::string trust_domain;
  std::string url;
  std::string profile;                     // "https_web" or "https_spiffe"
  std::string endpoint_id;                 // of https_spiffe
  std::string bundle_path;                 // by flags
  std::optional<std::string> bundle_json;  // in a file: a JSON string of PEM, or a SPIFFE bundle document
  std::string bundle_format;
};

// kInvalidArgument and kMalformed in SPIRE's words: what is missing, or what cannot be read. The server looks at the
// rest.
runtime::Result<spire::api::types::FederationRelationship> to_relationship(const RelationshipInput& input);
// {"federationRelationships": [{"trustDomain": ..., "bundleEndpointURL": ..., ...}]}. Unknown keys are refused by name.
runtime::Result<std::vector<spire::api::types::FederationRelationship>> parse_relationships(std::string_view json);
std::string format_relationship(const spire::api::types::FederationRelationship& relationship);

}  // namespace steeple::devserver
