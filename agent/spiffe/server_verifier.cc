#include "agent/spiffe/server_verifier.h"

#include <fmt/format.h>

#include "agent/spiffe/x509_svid.h"
#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::Bytes;
using runtime::Certificate;
using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::go_quote;
using runtime::Result;

namespace {

Result<Certificates> parse_presented(std::span<const Bytes> chain) {
  if (chain.empty()) return Error(ErrorCode::kTls, "empty certificates chain");
  Certificates certificates;
  certificates.reserve(chain.size());
  for (const Bytes& der : chain) {
    STEEPLE_TRY(certificate, with_context(Certificate::parse(der), "unable to parse certificate"));
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

Result<SpiffeId> verify(const Certificates& chain, const TrustDomain& trust_domain, const Certificates& authorities,
                        runtime::WallTime now) {
  if (chain.empty()) return Error(ErrorCode::kTls, "empty certificates chain");
  const Certificate& leaf = chain.front();
  STEEPLE_TRY(id, with_context(spiffe_id_of(leaf), "could not get leaf SPIFFE ID"));
  STEEPLE_CHECK(check_leaf(leaf));
  if (!id.member_of(trust_domain)) {
    return Error(ErrorCode::kTls, "could not get X509 bundle: x509bundle: no X.509 bundle found for trust domain: " +
                                      go_quote(id.trust_domain_name()));
  }
  Certificates intermediates(chain.begin() + 1, chain.end());
  STEEPLE_CHECK(
      with_context(runtime::verify_chain(leaf, intermediates, authorities, now), "could not verify leaf certificate"));
  return id;
}

}  // namespace

Result<SpiffeId> verify_x509_svid(const Certificates& chain, const TrustDomain& trust_domain,
                                  const Certificates& authorities, runtime::WallTime now) {
  return with_context(verify(chain, trust_domain, authorities, now), "x509svid");
}

Result<void> verify_server(std::span<const Bytes> chain, const SpiffeId& expected, const Certificates& authorities,
                           runtime::WallTime now) {
  STEEPLE_TRY(certificates, with_context(parse_presented(chain), "x509svid"));
  STEEPLE_TRY(id, verify_x509_svid(certificates, expected.trust_domain(), authorities, now));
  if (id != expected) return Error(ErrorCode::kTls, "unexpected ID " + go_quote(id.text()));
  return {};
}

Result<void> verify_server_insecurely(std::span<const Bytes> chain, const SpiffeId& expected) {
  STEEPLE_TRY(certificates, parse_presented(chain));
  const std::vector<std::string>& names = certificates.front().uri_sans();
  if (names.size() == 1 && names.front() == expected.text()) return {};
  return Error(ErrorCode::kTls, fmt::format("expected server SPIFFE ID {}; got {}", go_quote(expected.text()),
                                            runtime::go_quoted_list(names)));
}

runtime::Verifier make_server_verifier(SpiffeId expected, std::function<Certificates()> authorities,
                                       std::function<runtime::WallTime()> now) {
  return [expected = std::move(expected), authorities = std::move(authorities), now = std::move(now)](
             std::span<const Bytes> chain) { return verify_server(chain, expected, authorities(), now()); };
}

runtime::Verifier make_insecure_server_verifier(SpiffeId expected) {
  return [expected = std::move(expected)](std::span<const Bytes> chain) {
    return verify_server_insecurely(chain, expected);
  };
}

}  // namespace steeple::agent
