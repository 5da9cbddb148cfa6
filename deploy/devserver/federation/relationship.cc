#include "deploy/devserver/federation/relationship.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/config/go_url.h"
#include "deploy/devserver/services/rules.h"
#include "runtime/core/go_text.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/federationrelationship.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::FederationRelationship;
using spire::api::types::FederationRelationshipMask;

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

Result<void> check_url(const std::string& text) {
  if (text.size() > kEndpointUrlBytesMax) return invalid("bundle endpoint URL is too long");
  STEEPLE_TRY(url, runtime::with_context(agent::parse_go_url(text), "failed to parse bundle endpoint URL"));
  if (url.scheme != "https") return invalid("bundle endpoint URL must use the https scheme");
  if (url.host.empty()) return invalid("bundle endpoint URL must specify the host");
  if (url.has_user) return invalid("bundle endpoint URL must not contain user info");
  return {};
}

Result<void> check_profile(const FederationRelationship& relationship) {
  if (relationship.has_https_web()) return {};
  if (!relationship.has_https_spiffe()) return invalid("unsupported bundle endpoint profile type: <nil>");
  auto id = agent::SpiffeId::parse(relationship.https_spiffe().endpoint_spiffe_id());
  if (!id) return std::move(id.error()).with_context("failed to parse endpoint SPIFFE ID");
  return {};
}

}  // namespace

Result<void> check_relationship(FederationRelationship& relationship, const FederationRelationshipMask* mask) {
  STEEPLE_TRY(trust_domain, runtime::with_context(agent::TrustDomain::parse(relationship.trust_domain()),
                                                  "failed to parse trust domain"));
  relationship.set_trust_domain(trust_domain.name());
  if (mask == nullptr || mask->bundle_endpoint_url()) STEEPLE_CHECK(check_url(relationship.bundle_endpoint_url()));
  if (mask == nullptr || mask->bundle_endpoint_profile()) STEEPLE_CHECK(check_profile(relationship));
  if ((mask != nullptr && !mask->trust_domain_bundle()) || !relationship.has_trust_domain_bundle()) return {};
  auto& bundle = *relationship.mutable_trust_domain_bundle();
  STEEPLE_TRY(bundle_domain,
              runtime::with_context(agent::TrustDomain::parse(bundle.trust_domain()), "failed to parse bundle"));
  STEEPLE_CHECK(runtime::with_context(check_bundle(bundle), "failed to parse bundle"));
  if (bundle_domain != trust_domain) {
    return invalid(
        fmt::format("trust domain bundle ({}) must match the trust domain of the federation relationship ({})",
                    runtime::go_quote(bundle.trust_domain()), runtime::go_quote(trust_domain.name())));
  }
  bundle.set_trust_domain(trust_domain.name());
  bundle.clear_wit_authorities();
  return {};
}

Result<FederationTarget> target_of(const FederationRelationship& checked) {
  FederationTarget target;
  target.url = checked.bundle_endpoint_url();
  if (!checked.has_https_spiffe()) return target;
  STEEPLE_TRY(id, agent::SpiffeId::parse(checked.https_spiffe().endpoint_spiffe_id()));
  target.endpoint_id = std::move(id);
  return target;
}

void merge_relationship(FederationRelationship& into, const FederationRelationship& from,
                        const FederationRelationshipMask* mask) {
  if (mask == nullptr || mask->bundle_endpoint_url()) into.set_bundle_endpoint_url(from.bundle_endpoint_url());
  if (mask != nullptr && !mask->bundle_endpoint_profile()) return;
  if (from.has_https_spiffe()) {
    *into.mutable_https_spiffe() = from.https_spiffe();
  } else {
    into.mutable_https_web();
  }
}

void apply_mask(FederationRelationship& relationship, const FederationRelationshipMask* mask) {
  if (mask == nullptr) return;
  if (!mask->bundle_endpoint_url()) relationship.clear_bundle_endpoint_url();
  if (!mask->bundle_endpoint_profile()) relationship.clear_bundle_endpoint_profile();
  if (!mask->trust_domain_bundle()) relationship.clear_trust_domain_bundle();
}

std::chrono::milliseconds refresh_delay(const agent::Bundle* bundle, std::chrono::seconds hint_min) {
  if (bundle == nullptr) return hint_min;
  if (!bundle->refresh_hint()) return kRefreshWithoutHint;
  return std::chrono::milliseconds(std::max(*bundle->refresh_hint(), hint_min)) / kRefreshesPerHint;
}

}  // namespace steeple::devserver
