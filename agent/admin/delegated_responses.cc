#include "agent/admin/delegated_responses.h"

#include "agent/spiffe/jwks.h"
#include "runtime/core/secret_bytes.h"
#include "runtime/grpc/call.h"
#include "runtime/tls/x509.h"
#include "spire/api/agent/delegatedidentity/v1/delegatedidentity.pb.h"

namespace steeple::agent::delegated {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Result;
using runtime::SharedBytes;
using spire::api::agent::delegatedidentity::v1::FetchJWTSVIDsResponse;
using spire::api::agent::delegatedidentity::v1::SubscribeToJWTBundlesResponse;
using spire::api::agent::delegatedidentity::v1::SubscribeToX509BundlesResponse;
using spire::api::agent::delegatedidentity::v1::SubscribeToX509SVIDsResponse;
using spire::api::agent::delegatedidentity::v1::X509SVIDWithKey;

namespace {

std::int64_t unix_seconds(runtime::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

void set_id(const SpiffeId& id, spire::api::types::SPIFFEID& message) {
  message.set_trust_domain(std::string(id.trust_domain_name()));
  message.set_path(std::string(id.path()));
}

// Into memory of the exact size, so that no copy of a secret is left behind by a buffer that grew.
template <class Message>
SharedBytes encode_secret(const Message& message) {
  Bytes bytes(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(bytes.data());
  SharedBytes framed = runtime::grpc::make_message(bytes, /*secret=*/true);
  runtime::wipe_memory(bytes.data(), bytes.size());
  return framed;
}

template <class Message>
SharedBytes encode(const Message& message) {
  const std::string bytes = message.SerializeAsString();
  return runtime::grpc::make_message(runtime::as_bytes(bytes));
}

Result<void> fill(const Identity& identity, X509SVIDWithKey& message) {
  const X509Svid& svid = identity.svid();
  spire::api::types::X509SVID& described = *message.mutable_x509_svid();
  STEEPLE_TRY(chain, runtime::split_certificate_chain(svid.chain()));
  for (const Bytes& certificate : chain) described.add_cert_chain(certificate.data(), certificate.size());
  set_id(identity.entry().spiffe_id, *described.mutable_id());
  described.set_expires_at(unix_seconds(svid.not_after()));
  described.set_hint(identity.entry().hint);
  const BytesView key = svid.key().view();
  message.set_x509_svid_key(key.data(), key.size());
  return {};
}

}  // namespace

Result<SharedBytes> x509_svids(const WorkloadUpdate& update) {
  SubscribeToX509SVIDsResponse response;
  Result<void> filled;
  for (const Identity& identity : update.identities()) {
    if (is_withheld(identity.entry())) continue;
    filled = fill(identity, *response.add_x509_svids());
    if (!filled) break;
  }
  for (const SharedBundle& bundle : update.federated_bundles()) {
    response.add_federates_with(bundle->trust_domain().id_string());
  }
  SharedBytes message = filled ? encode_secret(response) : SharedBytes();
  for (X509SVIDWithKey& svid : *response.mutable_x509_svids()) {
    runtime::wipe_memory(svid.mutable_x509_svid_key()->data(), svid.x509_svid_key().size());
  }
  if (!filled) return std::move(filled.error());
  return message;
}

SharedBytes jwt_svids(std::span<const IssuedJwt> issued) {
  FetchJWTSVIDsResponse response;
  for (const IssuedJwt& one : issued) {
    spire::api::types::JWTSVID& svid = *response.add_svids();
    svid.set_token(std::string(one.svid->token()));
    set_id(one.entry->spiffe_id, *svid.mutable_id());
    svid.set_expires_at(unix_seconds(one.svid->expires_at()));
    svid.set_issued_at(unix_seconds(one.svid->issued_at()));
    svid.set_hint(one.entry->hint);
  }
  SharedBytes message = encode_secret(response);
  for (spire::api::types::JWTSVID& svid : *response.mutable_svids()) {
    runtime::wipe_memory(svid.mutable_token()->data(), svid.token().size());
  }
  return message;
}

SharedBytes x509_bundles(const Bundles& bundles) {
  SubscribeToX509BundlesResponse response;
  for (const auto& [trust_domain, bundle] : bundles) {
    const Bytes der = bundle->x509_der();
    (*response.mutable_ca_certificates())[trust_domain.id_string()].assign(der.begin(), der.end());
  }
  return encode(response);
}

SharedBytes jwt_bundles(const Bundles& bundles) {
  SubscribeToJWTBundlesResponse response;
  for (const auto& [trust_domain, bundle] : bundles) {
    (*response.mutable_bundles())[trust_domain.id_string()] = format_jwt_key_set(*bundle);
  }
  return encode(response);
}

}  // namespace steeple::agent::delegated
