#include "deploy/devserver/services/rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/spiffe/x509_svid.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/entry.pb.h"
#include "spire/api/types/federateswith.pb.h"
#include "spire/api/types/selector.pb.h"
#include "spire/api/types/status.pb.h"

namespace steeple::devserver {

using agent::SpiffeId;
using agent::TrustDomain;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
using spire::api::types::Bundle;
using spire::api::types::Entry;
using spire::api::types::EntryMask;

namespace {

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

Error invalid_entry(std::string_view text) { return invalid(fmt::format("datastore-validation: {}", text)); }

bool is_entry_id_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
}

Result<void> check_label(std::string_view label) {
  bool hyphens_wrong =
      label.empty() || label.front() == '-' || label.back() == '-' || (label.size() >= 4 && label.substr(2, 2) == "--");
  auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  if (hyphens_wrong || label.size() > 63 || !std::all_of(label.begin(), label.end(), allowed)) {
    return invalid(fmt::format("idna error: invalid label \"{}\"", label));
  }
  return {};
}

Result<void> check_plain_name(std::string_view name) {
  if (name.find_first_not_of(" \t\r\n") == std::string_view::npos) return invalid("empty or only whitespace");
  if (name.ends_with('.')) return invalid("domain ends with dot");
  if (name.size() > 253) return invalid("idna error: invalid DNS length");
  while (true) {
    std::size_t dot = name.find('.');
    STEEPLE_CHECK(check_label(name.substr(0, dot)));
    if (dot == std::string_view::npos) return {};
    name.remove_prefix(dot + 1);
  }
}

}  // namespace

Status status_of(StatusCode code, std::string_view doing, const Error* inner) {
  if (inner == nullptr || code == StatusCode::kNotFound) return Status(code, std::string(doing));
  return Status(code, fmt::format("{}: {}", doing, inner->message()));
}

void set_status(spire::api::types::Status& out, const Status& status) {
  out.set_code(static_cast<int>(status.code()));
  out.set_message(status.is_ok() ? "OK" : status.message());
}

Result<SpiffeId> id_of(const spire::api::types::SPIFFEID& id) {
  STEEPLE_TRY(trust_domain, TrustDomain::parse(id.trust_domain()));
  return SpiffeId::make(trust_domain, id.path());
}

Result<SpiffeId> id_in_role(const TrustDomain& trust_domain, const spire::api::types::SPIFFEID* id, IdRole role) {
  if (id == nullptr) return invalid("request must specify SPIFFE ID");
  STEEPLE_TRY(parsed, id_of(*id));
  STEEPLE_CHECK(check_role(trust_domain, parsed, role));
  return parsed;
}

Result<void> check_role(const TrustDomain& trust_domain, const SpiffeId& id, IdRole role) {
  if (!id.member_of(trust_domain)) {
    return invalid(fmt::format("\"{}\" is not a member of trust domain \"{}\"", id.text(), trust_domain.name()));
  }
  constexpr std::string_view kRoles[] = {"a member of", "a workload in", "an agent in"};
  auto refused = [&](std::string_view why) {
    return invalid(fmt::format("\"{}\" is not {} trust domain \"{}\"; {}", id.text(), kRoles[static_cast<int>(role)],
                               trust_domain.name(), why));
  };
  if (id.path().empty()) return refused("path is empty");
  if (role == IdRole::kWorkload && agent::is_reserved_path(id.path()))
    return refused("path is in the reserved namespace");
  if (role == IdRole::kAgent && !agent::is_agent_path(id.path())) return refused("path is not in the agent namespace");
  return {};
}

void set_id(spire::api::types::SPIFFEID& out, const SpiffeId& id) {
  out.set_trust_domain(std::string(id.trust_domain_name()));
  out.set_path(std::string(id.path()));
}

Result<attestation::Selectors> selectors_from(const SelectorList& list) {
  if (list.size() > kSelectorsOfEntryMax) return invalid("too many selectors");
  std::vector<attestation::Selector> items;
  for (const auto& selector : list) {
    if (selector.type().empty()) return invalid("missing selector type");
    if (selector.type().find(':') != std::string::npos) return invalid("selector type contains ':'");
    if (selector.value().empty()) return invalid("missing selector value");
    items.emplace_back(selector.type(), selector.value());
  }
  return attestation::Selectors(std::move(items));
}

bool selectors_match(const attestation::Selectors& has, const attestation::Selectors& wanted, int behaviour) {
  using spire::api::types::SelectorMatch;
  switch (behaviour) {
    case SelectorMatch::MATCH_EXACT:
      return has == wanted;
    case SelectorMatch::MATCH_SUBSET:
      return !has.empty() && has.is_subset_of(wanted);
    case SelectorMatch::MATCH_SUPERSET:
      return wanted.is_subset_of(has);
    case SelectorMatch::MATCH_ANY:
      return std::any_of(has.begin(), has.end(), [&](const auto& selector) { return wanted.contains(selector); });
    default:
      return false;
  }
}

Result<void> check_dns_name(std::string_view name) {
  if (std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; })) {
    return invalid("name must be ascii");
  }
  auto stars = std::count(name.begin(), name.end(), '*');
  if (stars > 1) return invalid("too many wildcards");
  if (stars == 1 && !name.starts_with("*.")) return invalid("wildcard must be first label");
  return check_plain_name(stars == 1 ? name.substr(2) : name);
}

Result<void> check_entry(const TrustDomain& trust_domain, Entry& entry, const EntryMask* mask) {
  if (mask == nullptr || mask->parent_id()) {
    auto id = id_in_role(trust_domain, entry.has_parent_id() ? &entry.parent_id() : nullptr, IdRole::kMember);
    if (!id) return std::move(id.error()).with_context("invalid parent ID");
  }
  if (mask == nullptr || mask->spiffe_id()) {
    auto id = id_in_role(trust_domain, entry.has_spiffe_id() ? &entry.spiffe_id() : nullptr, IdRole::kWorkload);
    if (!id) return std::move(id.error()).with_context("invalid spiffe ID");
  }
  if (mask == nullptr || mask->dns_names()) {
    for (const std::string& name : entry.dns_names()) {
      STEEPLE_CHECK(runtime::with_context(check_dns_name(name), "invalid DNS name"));
    }
  }
  if (mask == nullptr || mask->federates_with()) {
    for (std::string& name : *entry.mutable_federates_with()) {
      auto other = TrustDomain::parse(name);
      if (!other) return std::move(other.error()).with_context("invalid federated trust domain");
      name = other->name();
    }
  }
  if (mask == nullptr || mask->selectors()) {
    if (entry.selectors().empty()) return invalid("selector list is empty");
    STEEPLE_CHECK(selectors_from(entry.selectors()));
  }
  if ((mask == nullptr || mask->hint()) && entry.hint().size() > kHintBytesMax) {
    return invalid(fmt::format("hint is too long, max length is {} characters", kHintBytesMax));
  }
  return {};
}

Result<void> check_stored_entry(const Entry& entry) {
  if (entry.store_svid()) {
    if (entry.additional_attributes().disable_x509_svid_prefetch()) {
      return invalid_entry("specifying cache behaviour is incompatible with storable SVIDs");
    }
    for (const auto& selector : entry.selectors()) {
      if (selector.type() != entry.selectors(0).type()) {
        return invalid_entry("invalid registration entry: selector types must be the same when store SVID is enabled");
      }
    }
  }
  if (entry.id().size() > kEntryIdBytesMax) return invalid_entry("invalid registration entry: entry ID too long");
  if (!std::all_of(entry.id().begin(), entry.id().end(), is_entry_id_character)) {
    return invalid_entry("invalid registration entry: entry ID contains invalid characters");
  }
  if (entry.x509_svid_ttl() < 0) return invalid_entry("invalid registration entry: X509SvidTtl is not set");
  if (entry.jwt_svid_ttl() < 0) return invalid_entry("invalid registration entry: JwtSvidTtl is not set");
  return {};
}

void merge_entry(Entry& into, const Entry& from, const EntryMask* mask) {
  Entry wanted = from;
  apply_mask(wanted, mask);
  Entry kept = into;
  EntryMask rest;  // what `mask` does not name stays
  if (mask != nullptr) {
    rest.set_spiffe_id(!mask->spiffe_id());
    rest.set_parent_id(!mask->parent_id());
    rest.set_selectors(!mask->selectors());
    rest.set_x509_svid_ttl(!mask->x509_svid_ttl());
    rest.set_federates_with(!mask->federates_with());
    rest.set_admin(!mask->admin());
    rest.set_downstream(!mask->downstream());
    rest.set_expires_at(!mask->expires_at());
    rest.set_dns_names(!mask->dns_names());
    rest.set_store_svid(!mask->store_svid());
    rest.set_jwt_svid_ttl(!mask->jwt_svid_ttl());
    rest.set_hint(!mask->hint());
    rest.set_additional_attributes(!mask->additional_attributes());
  }
  apply_mask(kept, &rest);
  wanted.clear_id();
  kept.MergeFrom(wanted);
  kept.set_revision_number(into.revision_number());
  kept.set_created_at(into.created_at());
  into = std::move(kept);
}

void apply_mask(Entry& entry, const EntryMask* mask) {
  if (mask == nullptr) return;
  if (!mask->spiffe_id()) entry.clear_spiffe_id();
  if (!mask->parent_id()) entry.clear_parent_id();
  if (!mask->selectors()) entry.clear_selectors();
  if (!mask->x509_svid_ttl()) entry.clear_x509_svid_ttl();
  if (!mask->federates_with()) entry.clear_federates_with();
  if (!mask->admin()) entry.clear_admin();
  if (!mask->downstream()) entry.clear_downstream();
  if (!mask->expires_at()) entry.clear_expires_at();
  if (!mask->dns_names()) entry.clear_dns_names();
  if (!mask->revision_number()) entry.clear_revision_number();
  if (!mask->store_svid()) entry.clear_store_svid();
  if (!mask->jwt_svid_ttl()) entry.clear_jwt_svid_ttl();
  if (!mask->hint()) entry.clear_hint();
  if (!mask->created_at()) entry.clear_created_at();
  if (!mask->additional_attributes()) entry.clear_additional_attributes();
}

Result<void> check_bundle(const Bundle& bundle) {
  if (bundle.x509_authorities_size() + bundle.jwt_authorities_size() > kAuthoritiesOfBundleMax) {
    return invalid("too many authorities");
  }
  for (const auto& authority : bundle.x509_authorities()) {
    auto parsed = runtime::Certificate::parse(runtime::as_bytes(authority.asn1()));
    if (!parsed) return std::move(parsed.error()).with_context("unable to parse X.509 authority");
  }
  for (const auto& key : bundle.jwt_authorities()) {
    auto known = runtime::public_key_info(runtime::as_bytes(key.public_key()));
    if (!known) return std::move(known.error()).with_context("unable to parse JWT authority");
    if (key.key_id().empty()) return invalid("unable to parse JWT authority: missing key ID");
  }
  return {};
}

void apply_mask(Bundle& bundle, const spire::api::types::BundleMask* mask) {
  if (mask == nullptr) return;
  if (!mask->x509_authorities()) bundle.clear_x509_authorities();
  if (!mask->jwt_authorities()) bundle.clear_jwt_authorities();
  if (!mask->wit_authorities()) bundle.clear_wit_authorities();
  if (!mask->refresh_hint()) bundle.clear_refresh_hint();
  if (!mask->sequence_number()) bundle.clear_sequence_number();
}

}  // namespace steeple::devserver
