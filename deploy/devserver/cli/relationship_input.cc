#include "deploy/devserver/cli/relationship_input.h"

#include "agent/spiffe/spiffe_id.h"
#include "deploy/devserver/cli/bundle_text.h"
#include "deploy/devserver/cli/json_input.h"
#include "deploy/devserver/cli/terminal.h"
#include "runtime/os/file.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/federationrelationship.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Bundle;
using spire::api::types::FederationRelationship;

constexpr std::string_view kWebProfile = "https_web";
constexpr std::string_view kSpiffeProfile = "https_spiffe";

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

// Gives the trust domain that a bundle that comes along is one of.
Result<std::string> set_profile(const RelationshipInput& input, FederationRelationship& out) {
  if (input.profile == kWebProfile) {
    out.mutable_https_web();
    return input.trust_domain;
  }
  if (input.profile != kSpiffeProfile) {
    return invalid(fmt::format("unknown bundle endpoint profile type: {}", runtime::go_quote(input.profile)));
  }
  if (input.endpoint_id.empty()) {
    return invalid("endpoint SPIFFE ID is required if 'https_spiffe' endpoint profile is set");
  }
  STEEPLE_TRY(
      id, runtime::with_context(agent::SpiffeId::parse(input.endpoint_id), "cannot parse bundle endpoint SPIFFE ID"));
  out.mutable_https_spiffe()->set_endpoint_spiffe_id(input.endpoint_id);
  return std::string(id.trust_domain().name());
}

Result<Bundle> read_bundle(const RelationshipInput& input, const std::string& trust_domain) {
  STEEPLE_TRY(text,
              runtime::with_context(runtime::read_file(input.bundle_path, kInputBytesMax), "cannot read bundle file"));
  STEEPLE_TRY(format, runtime::with_context(parse_bundle_format(input.bundle_format), "cannot parse bundle file"));
  return runtime::with_context(parse_bundle(text, format, trust_domain), "cannot parse bundle file");
}

Result<Bundle> bundle_of_json(const RelationshipInput& input, const std::string& trust_domain) {
  if (input.bundle_format == "spiffe") return parse_bundle(*input.bundle_json, BundleFormat::kSpiffe, trust_domain);
  if (input.bundle_format != "pem") {
    return malformed(fmt::format("bundle format {} is unsupported", runtime::go_quote(input.bundle_format)));
  }
  std::string pem;
  STEEPLE_CHECK(with_document(*input.bundle_json, [&](const dom::element& value) -> Result<void> {
    STEEPLE_TRY(text, get_text("trustDomainBundle", value));
    pem = std::move(text);
    return {};
  }));
  return parse_bundle(pem, BundleFormat::kPem, trust_domain);
}

Result<bool> read_member(std::string_view key, const dom::element& value, RelationshipInput& input) {
  if (key == "trustDomainBundle") {
    if (!value.is_null()) input.bundle_json = simdjson::minify(value);
    return true;
  }
  const std::pair<std::string_view, std::string*> texts[] = {
      {"trustDomain", &input.trust_domain},
      {"bundleEndpointURL", &input.url},
      {"bundleEndpointProfile", &input.profile},
      {"endpointSPIFFEID", &input.endpoint_id},
      {"trustDomainBundleFormat", &input.bundle_format},
  };
  for (const auto& [name, text] : texts) {
    if (name != key) continue;
    STEEPLE_TRY(given, get_text(key, value));
    *text = std::move(given);
    return true;
  }
  return false;
}

Result<FederationRelationship> read_relationship(const dom::element& value) {
  RelationshipInput input;
  STEEPLE_CHECK(for_members("federation relationship", value, [&](std::string_view key, const dom::element& member) {
    return read_member(key, member, input);
  }));
  return to_relationship(input);
}

}  // namespace

Result<FederationRelationship> to_relationship(const RelationshipInput& input) {
  if (input.trust_domain.empty()) return invalid("trust domain is required");
  if (input.url.empty()) return invalid("bundle endpoint URL is required");
  FederationRelationship relationship;
  relationship.set_trust_domain(input.trust_domain);
  relationship.set_bundle_endpoint_url(input.url);
  STEEPLE_TRY(trust_domain, set_profile(input, relationship));
  if (!input.bundle_path.empty()) {
    STEEPLE_TRY(bundle, read_bundle(input, trust_domain));
    *relationship.mutable_trust_domain_bundle() = std::move(bundle);
  } else if (input.bundle_json) {
    STEEPLE_TRY(bundle, runtime::with_context(bundle_of_json(input, trust_domain), "cannot parse bundle raw message"));
    *relationship.mutable_trust_domain_bundle() = std::move(bundle);
  }
  return relationship;
}

Result<std::vector<FederationRelationship>> parse_relationships(std::string_view json) {
  std::vector<FederationRelationship> relationships;
  auto read = [&](std::string_view key, const dom::element& value) -> Result<bool> {
    if (key != "federationRelationships") return false;
    STEEPLE_CHECK(for_each(key, value, [&](const dom::element& element) -> Result<void> {
      STEEPLE_TRY(one, runtime::with_context(read_relationship(element),
                                             fmt::format("could not parse item {}", relationships.size())));
      relationships.push_back(std::move(one));
      return {};
    }));
    return true;
  };
  STEEPLE_CHECK(with_document(
      json, [&](const dom::element& root) { return for_members("federation relationships", root, read); }));
  return relationships;
}

std::string format_relationship(const FederationRelationship& relationship) {
  std::string text = fmt::format("Trust domain              : {}\n", relationship.trust_domain());
  text += fmt::format("Bundle endpoint URL       : {}\n", relationship.bundle_endpoint_url());
  if (relationship.has_https_web()) text += fmt::format("Bundle endpoint profile   : {}\n", kWebProfile);
  if (relationship.has_https_spiffe()) {
    text += fmt::format("Bundle endpoint profile   : {}\n", kSpiffeProfile);
    text += fmt::format("Endpoint SPIFFE ID        : {}\n", relationship.https_spiffe().endpoint_spiffe_id());
  }
  return text;
}

}  // namespace steeple::devserver
