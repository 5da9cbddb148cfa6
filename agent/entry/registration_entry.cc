#include "agent/entry/registration_entry.h"

#include <algorithm>

#include "spire/api/types/entry.pb.h"

namespace steeple::agent {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

Result<SpiffeId> spiffe_id_from_proto(const spire::api::types::Entry& message) {
  if (!message.has_spiffe_id()) return malformed("response missing SPIFFE ID");
  STEEPLE_TRY(trust_domain, TrustDomain::parse(message.spiffe_id().trust_domain()));
  return SpiffeId::make(trust_domain, message.spiffe_id().path());
}

Result<attestation::Selectors> selectors_from_proto(const spire::api::types::Entry& message) {
  if (message.selectors().empty()) return malformed("selector list is empty");
  std::vector<attestation::Selector> selectors;
  selectors.reserve(static_cast<std::size_t>(message.selectors_size()));
  for (const auto& selector : message.selectors()) {
    if (selector.type().empty()) return malformed("missing selector type");
    if (selector.type().find(':') != std::string::npos) return malformed("selector type contains ':'");
    if (selector.value().empty()) return malformed("missing selector value");
    selectors.emplace_back(selector.type(), selector.value());
  }
  return attestation::Selectors(std::move(selectors));
}

Result<std::vector<TrustDomain>> federation_from_proto(const spire::api::types::Entry& message) {
  std::vector<TrustDomain> trust_domains;
  trust_domains.reserve(static_cast<std::size_t>(message.federates_with_size()));
  for (const std::string& name : message.federates_with()) {
    STEEPLE_TRY(trust_domain, with_context(TrustDomain::parse(name), "invalid federated trust domain"));
    trust_domains.push_back(std::move(trust_domain));
  }
  std::sort(trust_domains.begin(), trust_domains.end());
  trust_domains.erase(std::unique(trust_domains.begin(), trust_domains.end()), trust_domains.end());
  return trust_domains;
}

}  // namespace

Result<RegistrationEntry> entry_from_proto(const spire::api::types::Entry& message) {
  if (message.id().empty()) return malformed("missing entry ID");
  STEEPLE_TRY(spiffe_id, with_context(spiffe_id_from_proto(message), "invalid SPIFFE ID"));
  STEEPLE_TRY(federates_with, federation_from_proto(message));
  STEEPLE_TRY(selectors, selectors_from_proto(message));
  RegistrationEntry entry(message.id(), std::move(spiffe_id), std::move(selectors));
  entry.federates_with = std::move(federates_with);
  entry.revision_number = message.revision_number();
  entry.created_at = message.created_at();
  entry.hint = message.hint();
  entry.store_svid = message.store_svid();
  entry.admin = message.admin();
  entry.downstream = message.downstream();
  entry.disable_x509_svid_prefetch = message.additional_attributes().disable_x509_svid_prefetch();
  entry.jwt_svid_include_jti = message.additional_attributes().jwt_svid_include_jti();
  return entry;
}

void fill_entry_mask(spire::api::types::EntryMask& mask) {
  mask.set_spiffe_id(true);
  mask.set_selectors(true);
  mask.set_federates_with(true);
  mask.set_admin(true);
  mask.set_downstream(true);
  mask.set_revision_number(true);
  mask.set_store_svid(true);
  mask.set_hint(true);
  mask.set_created_at(true);
  mask.set_additional_attributes(true);
}

}  // namespace steeple::agent
