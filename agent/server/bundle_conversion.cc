#include "agent/server/bundle_conversion.h"

#include "spire/api/types/bundle.pb.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Result<Bundle> bundle_from_proto(const spire::api::types::Bundle& message) {
  STEEPLE_TRY(trust_domain, TrustDomain::parse(message.trust_domain()));
  Bundle bundle(std::move(trust_domain));
  for (const auto& authority : message.x509_authorities()) {
    STEEPLE_TRY(certificate, with_context(runtime::Certificate::parse(runtime::as_bytes(authority.asn1())),
                                          "unable to parse root CA"));
    bundle.add_x509_authority(std::move(certificate), authority.tainted());
  }
  for (const auto& key : message.jwt_authorities()) {
    if (key.key_id().empty()) return Error(ErrorCode::kMalformed, "missing key ID");
    STEEPLE_TRY(info, with_context(runtime::public_key_info(runtime::as_bytes(key.public_key())),
                                   "unable to parse JWT signing key"));
    static_cast<void>(info);
    bundle.add_jwt_authority(JwtAuthority(key.key_id(), runtime::to_bytes(runtime::as_bytes(key.public_key())),
                                          key.expires_at(), key.tainted()));
  }
  bundle.set_refresh_hint(std::chrono::seconds(message.refresh_hint()));
  bundle.set_sequence_number(message.sequence_number());
  return bundle;
}

}  // namespace steeple::agent
