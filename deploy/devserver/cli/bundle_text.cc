#include "deploy/devserver/cli/bundle_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/spiffe/jwks.h"
#include "deploy/devserver/federation/bundle_messages.h"
#include "runtime/core/go_text.h"
#include "spire/api/types/bundle.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Bundle;

Result<std::string> format_document(const Bundle& message) {
  STEEPLE_TRY(bundle, from_message(message));
  STEEPLE_TRY(text, agent::format_bundle_document(bundle, true));
  return text + "\n";
}

Result<Bundle> parse_document(std::string_view text, const std::string& id) {
  STEEPLE_TRY(trust_domain, agent::TrustDomain::parse(id));
  STEEPLE_TRY(bundle, runtime::with_context(agent::parse_bundle_document(trust_domain, text),
                                            "unable to parse to spiffe bundle"));
  return to_message(bundle);
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
