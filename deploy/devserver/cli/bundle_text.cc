#include "deploy/devserver/cli/bundle_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/spiffe/jwks.h"
#include "runtime/core/go_text.h"
#include "spire/api/types/bundle.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Bundle;

Result<std::string> format_document(const Bundle& message) {
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
  STEEPLE_TRY(text, agent::format_bundle_document(bundle, true));
  return text + "\n";
}

Result<Bundle> parse_document(std::string_view text, const std::string& id) {
  STEEPLE_TRY(trust_domain, agent::TrustDomain::parse(id));
  STEEPLE_TRY(bundle, runtime::with_context(agent::parse_bundle_document(trust_domain, text),
                                            "unable to parse to spiffe bundle"));
  Bundle message;
  message.set_trust_domain(trust_domain.name());
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

}  // namespace

Result<BundleFormat> parse_bundle_format(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  if (text.empty() || text == "pem") return BundleFormat::kPem;
  if (text == "spiffe") return BundleFormat::kSpiffe;
  return Error(ErrorCode::kInvalidArgument, fmt::format("invalid format: {}", runtime::go_quote(text)));
}

Result<std::string> format_bundle(const Bundle& bundle, BundleFormat format) {
  if (format == BundleFormat::kSpiffe) return format_document(bundle);
  std::string text;
  for (const auto& authority : bundle.x509_authorities()) {
    STEEPLE_TRY(certificate, runtime::Certificate::parse(runtime::as_bytes(authority.asn1())));
    text += runtime::to_pem(certificate);
  }
  return text;
}

Result<Bundle> parse_bundle(std::string_view text, BundleFormat format, const std::string& id) {
  if (format == BundleFormat::kSpiffe) return parse_document(text, id);
  STEEPLE_TRY(certificates,
              runtime::with_context(runtime::parse_certificates_pem(text), "unable to parse bundle data"));
  Bundle message;
  message.set_trust_domain(id);
  for (const auto& certificate : certificates) {
    message.add_x509_authorities()->set_asn1(std::string(runtime::as_text(certificate.der())));
  }
  return message;
}

}  // namespace steeple::devserver
