#include "deploy/devserver/cli/output_json.h"

#include <fmt/format.h>

#include "agent/spiffe/json_text.h"
#include "runtime/core/bytes.h"
#include "runtime/tls/encoding.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/entry.pb.h"
#include "spire/api/types/federationrelationship.pb.h"
#include "spire/api/types/selector.pb.h"
#include "spire/api/types/status.pb.h"

namespace steeple::devserver {
namespace {

namespace types = spire::api::types;

template <class List>
std::vector<std::string> quoted(const List& list) {
  std::vector<std::string> values;
  for (const std::string& text : list) values.push_back(agent::json_quote(text));
  return values;
}

std::string id_json(const types::SPIFFEID& id) {
  return JsonObject().text("path", id.path()).text("trust_domain", id.trust_domain()).str();
}

template <class Keys>
std::vector<std::string> keys_json(const Keys& keys) {
  std::vector<std::string> values;
  for (const auto& key : keys) {
    JsonObject object;
    object.wide("expires_at", key.expires_at()).text("key_id", key.key_id()).bytes("public_key", key.public_key());
    values.push_back(object.flag("tainted", key.tainted()).str());
  }
  return values;
}

}  // namespace

JsonObject& JsonObject::raw(std::string_view key, std::string value) {
  members_.insert_or_assign(std::string(key), std::move(value));
  return *this;
}

JsonObject& JsonObject::text(std::string_view key, std::string_view value) {
  return raw(key, agent::json_quote(value));
}

JsonObject& JsonObject::flag(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }

JsonObject& JsonObject::number(std::string_view key, std::int32_t value) { return raw(key, std::to_string(value)); }

JsonObject& JsonObject::wide(std::string_view key, std::int64_t value) {
  return raw(key, fmt::format("\"{}\"", value));
}

JsonObject& JsonObject::wide_unsigned(std::string_view key, std::uint64_t value) {
  return raw(key, fmt::format("\"{}\"", value));
}

JsonObject& JsonObject::bytes(std::string_view key, std::string_view value) {
  return raw(key, fmt::format("\"{}\"", runtime::base64_encode(runtime::as_bytes(value))));
}

JsonObject& JsonObject::list(std::string_view key, const std::vector<std::string>& values) {
  return raw(key, fmt::format("[{}]", fmt::join(values, ",")));
}

std::string JsonObject::str() const {
  std::vector<std::string> members;
  members.reserve(members_.size());
  for (const auto& [key, value] : members_) members.push_back(fmt::format("\"{}\":{}", key, value));
  return fmt::format("{{{}}}", fmt::join(members, ","));
}

std::string to_json(const types::Status& status) {
  return JsonObject().number("code", status.code()).text("message", status.message()).str();
}

std::string to_json(const types::Entry& entry) {
  JsonObject object;
  object.text("id", entry.id()).text("hint", entry.hint());
  if (entry.has_spiffe_id()) object.raw("spiffe_id", id_json(entry.spiffe_id()));
  if (entry.has_parent_id()) object.raw("parent_id", id_json(entry.parent_id()));
  std::vector<std::string> selectors;
  for (const auto& selector : entry.selectors()) {
    selectors.push_back(JsonObject().text("type", selector.type()).text("value", selector.value()).str());
  }
  object.list("selectors", selectors).list("federates_with", quoted(entry.federates_with()));
  object.list("dns_names", quoted(entry.dns_names()));
  object.number("x509_svid_ttl", entry.x509_svid_ttl()).number("jwt_svid_ttl", entry.jwt_svid_ttl());
  object.flag("admin", entry.admin()).flag("downstream", entry.downstream()).flag("store_svid", entry.store_svid());
  object.wide("expires_at", entry.expires_at()).wide("revision_number", entry.revision_number());
  object.wide("created_at", entry.created_at());
  if (entry.has_additional_attributes()) {
    const auto& attributes = entry.additional_attributes();
    JsonObject inner;
    inner.flag("disable_x509_svid_prefetch", attributes.disable_x509_svid_prefetch());
    object.raw("additional_attributes", inner.flag("jwt_svid_include_jti", attributes.jwt_svid_include_jti()).str());
  }
  return object.str();
}

std::string to_json(const types::Bundle& bundle) {
  std::vector<std::string> authorities;
  for (const auto& authority : bundle.x509_authorities()) {
    authorities.push_back(JsonObject().bytes("asn1", authority.asn1()).flag("tainted", authority.tainted()).str());
  }
  JsonObject object;
  object.text("trust_domain", bundle.trust_domain()).list("x509_authorities", authorities);
  object.list("jwt_authorities", keys_json(bundle.jwt_authorities()));
  object.list("wit_authorities", keys_json(bundle.wit_authorities()));
  object.wide("refresh_hint", bundle.refresh_hint()).wide_unsigned("sequence_number", bundle.sequence_number());
  return object.str();
}

std::string to_json(const types::FederationRelationship& relationship) {
  JsonObject object;
  object.text("trust_domain", relationship.trust_domain());
  object.text("bundle_endpoint_url", relationship.bundle_endpoint_url());
  if (relationship.has_https_web()) object.raw("https_web", "{}");
  if (relationship.has_https_spiffe()) {
    JsonObject profile;
    profile.text("endpoint_spiffe_id", relationship.https_spiffe().endpoint_spiffe_id());
    object.raw("https_spiffe", profile.str());
  }
  if (relationship.has_trust_domain_bundle()) {
    object.raw("trust_domain_bundle", to_json(relationship.trust_domain_bundle()));
  }
  return object.str();
}

}  // namespace steeple::devserver
