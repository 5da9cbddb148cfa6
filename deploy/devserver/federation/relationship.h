// Whom the server federates with: where the other's bundle is to be had, and how its endpoint proves itself (SPIFFE
// Federation specification, sections 5.2.1 and 5.2.2). From server.conf or from the API. Pure.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>

#include "agent/spiffe/bundle.h"
#include "agent/spiffe/spiffe_id.h"

namespace spire::api::types {
class FederationRelationship;
class FederationRelationshipMask;
}  // namespace spire::api::types

namespace steeple::devserver {

inline constexpr std::chrono::seconds kRefreshHintMin{60};       // a smaller hint counts as this
inline constexpr std::chrono::seconds kRefreshWithoutHint{300};  // between refreshes when the bundle has no hint
inline constexpr int kRefreshesPerHint = 4;
inline constexpr std::size_t kEndpointUrlBytesMax = 4096;

struct FederationTarget {
  std::string url;                             // https://
  std::optional<agent::SpiffeId> endpoint_id;  // https_spiffe; nothing: https_web
  bool operator==(const FederationTarget&) const = default;
  std::string_view profile() const { return endpoint_id ? "https_spiffe" : "https_web"; }
};
using FederationTargets = std::map<std::string, FederationTarget>;  // by trust domain name

// The fields that `mask` (null: all) names, in SPIRE's order and words. Normalises the trust domain to its name.
runtime::Result<void> check_relationship(spire::api::types::FederationRelationship& relationship,
                                         const spire::api::types::FederationRelationshipMask* mask);
runtime::Result<FederationTarget> target_of(const spire::api::types::FederationRelationship& checked);
// Copies the fields that `mask` (null: all) names.
void merge_relationship(spire::api::types::FederationRelationship& into,
                        const spire::api::types::FederationRelationship& from,
                        const spire::api::types::FederationRelationshipMask* mask);
void apply_mask(spire::api::types::FederationRelationship& relationship,
                const spire::api::types::FederationRelationshipMask* mask);

// When to ask again: a quarter of the bundle's hint. `bundle` is null when none is known.
std::chrono::milliseconds refresh_delay(const agent::Bundle* bundle, std::chrono::seconds hint_min);

}  // namespace steeple::devserver
