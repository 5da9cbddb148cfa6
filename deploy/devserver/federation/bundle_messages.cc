#include "deploy/devserver/federation/bundle_messages.h"

#include "spire/api/types/bundle.pb.h"

namespace steeple::devserver {

using runtime::Result;

Result<agent::Bundle> from_message(const spire::api::types::Bundle& message) {
  STEEPLE_TRY(trust_domain, agent::TrustDomain::parse(message.trust_domain()));
  agent::Bundle bundle(trust_domain);
  for (const auto& authority : message.x509_authorities()) {
    STEEPLE_TRY(certificate, runtime::Certificate::parse(runtime::as_bytes(authority.asn1())));
    bundle.add_x509_authority(std::move(certificate), authority.tainted());
  }
  for (const auto& key : message.jwt_authorities()) {
    bundle.add_jwt_authority(agent::JwtAuthority(key.key_id(), runtime::to_bytes(runtime::as_bytes(key.public_key())),
                                                 key.expires_at(), key.tainted()));
  }
  if (message.refresh_hint() > 0) bundle.set_refresh_hint(std::chrono::seconds(message.refresh_hint()));
  if (message.sequence_number() > 0) bundle.set_sequence_number(message.sequence_number());
  return bundle;
}

spire::api::types::Bundle to_message(const agent::Bundle& bundle) {
  spire::api::types::Bundle message;
  message.set_trust_domain(bundle.trust_domain().name());
  for (const auto& authority : bundle.x509_authorities()) {
    message.add_x509_authorities()->set_asn1(std::string(runtime::as_text(authority.certificate.der())));
  }
  for (const auto& [key_id, authority] : bundle.jwt_authorities()) {
    auto* key = message.add_jwt_authorities();
    key->set_key_id(key_id);
    key->set_public_key(std::string(runtime::as_text(authority.public_key)));
  }
  if (bundle.refresh_hint()) message.set_refresh_hint(bundle.refresh_hint()->count());
  if (bundle.sequence_number()) message.set_sequence_number(*bundle.sequence_number());
  return message;
}

}  // namespace steeple::devserver
