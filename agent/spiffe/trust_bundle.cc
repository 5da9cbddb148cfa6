#include "agent/spiffe/trust_bundle.h"

#include "agent/spiffe/jwks.h"

namespace steeple::agent {

using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Result<TrustBundleFormat> parse_trust_bundle_format(std::string_view text) {
  if (text.empty() || text == "pem") return TrustBundleFormat::kPem;
  if (text == "spiffe") return TrustBundleFormat::kSpiffe;
  return Error(ErrorCode::kInvalidArgument, R"(invalid value for trust_bundle_format, expected "pem" or "spiffe")");
}

Result<Certificates> parse_trust_bundle(TrustBundleFormat format, std::string_view content) {
  if (format == TrustBundleFormat::kPem) return runtime::parse_certificates_pem(content);
  STEEPLE_TRY(bundle,
              with_context(parse_bundle_document(TrustDomain(), content), "unable to parse SPIFFE trust bundle"));
  if (bundle.x509_authorities().empty()) {
    return Error(ErrorCode::kMalformed, "no certificates found in trust bundle");
  }
  return bundle.certificates();
}

}  // namespace steeple::agent
