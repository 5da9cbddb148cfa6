#include "agent/telemetry/prometheus_tls.h"

#include <algorithm>

#include "agent/spiffe/server_verifier.h"
#include "agent/spiffe/x509_svid.h"
#include "runtime/core/go_text.h"
#include "runtime/core/secret_bytes.h"
#include "runtime/os/file.h"

namespace steeple::agent {

using runtime::Bytes;
using runtime::Certificate;
using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::TlsServerContext;

namespace {

constexpr std::size_t kTlsFileMax = 1u << 20;

using Presented = std::span<const Bytes>;

Error invalid(std::string_view text) { return Error(ErrorCode::kInvalidArgument, std::string(text)); }

Result<void> check(const PrometheusTlsSettings& settings) {
  const bool files = !settings.cert_file.empty() && !settings.key_file.empty();
  const bool any_file = !settings.cert_file.empty() || !settings.key_file.empty();
  if (settings.use_spire_svid && any_file) {
    return invalid("cert_file and key_file cannot be configured when use_spire_svid is enabled");
  }
  if (!settings.use_spire_svid && !files) {
    return invalid("cert_file and key_file must both be configured unless use_spire_svid is enabled");
  }
  if (!settings.authorized_spiffe_ids.empty() && !settings.client_ca_file.empty()) {
    return invalid("client_ca_file cannot be configured with authorized_spiffe_ids");
  }
  return {};
}

Result<std::vector<SpiffeId>> authorized_ids(const PrometheusTlsSettings& settings) {
  std::vector<SpiffeId> ids;
  for (const std::string& text : settings.authorized_spiffe_ids) {
    STEEPLE_TRY(
        id, runtime::with_context(SpiffeId::parse(text), "invalid authorized SPIFFE ID " + runtime::go_quote(text)));
    ids.push_back(std::move(id));
  }
  return ids;
}

Result<runtime::IdentityProvider> identity_of(const PrometheusTlsSettings& settings, PrometheusTlsSources& sources) {
  if (settings.use_spire_svid) return std::move(sources.svid);
  STEEPLE_TRY(certificates, runtime::read_file(settings.cert_file, kTlsFileMax));
  STEEPLE_TRY(key, runtime::read_file(settings.key_file, kTlsFileMax));
  Result<runtime::TlsIdentity> identity = runtime::tls_identity_from_pem(certificates, key);
  runtime::wipe_memory(key.data(), key.size());
  if (!identity) return std::move(identity.error());
  return runtime::IdentityProvider([held = std::move(*identity)] { return std::optional(held); });
}

Result<Certificates> parse(Presented chain) {
  Certificates certificates;
  for (const Bytes& der : chain) {
    STEEPLE_TRY(certificate, Certificate::parse(der));
    certificates.push_back(std::move(certificate));
  }
  if (certificates.empty()) return Error(ErrorCode::kTls, "tls: client didn't provide a certificate");
  return certificates;
}

runtime::Verifier by_authority(Certificates authorities, std::function<runtime::WallTime()> now) {
  return [authorities = std::move(authorities), now = std::move(now)](Presented chain) -> Result<void> {
    STEEPLE_TRY(certificates, parse(chain));
    const Certificate leaf = certificates.front();
    certificates.erase(certificates.begin());
    constexpr std::string_view kFailed = "tls: failed to verify certificate";
    STEEPLE_CHECK(runtime::with_context(runtime::verify_chain(leaf, certificates, authorities, now()), kFailed));
    if (leaf.serves_clients()) return {};
    return Error(ErrorCode::kTls, std::string(kFailed) + ": x509: certificate specifies an incompatible key usage");
  };
}

runtime::Verifier by_spiffe_id(std::vector<SpiffeId> authorized, PrometheusTlsSources sources) {
  return [authorized = std::move(authorized), sources = std::move(sources)](Presented chain) -> Result<void> {
    STEEPLE_TRY(certificates, parse(chain));
    STEEPLE_TRY(claimed,
                runtime::with_context(spiffe_id_of(certificates.front()), "x509svid: could not get leaf SPIFFE ID"));
    const TrustDomain trust_domain = claimed.trust_domain();
    const Certificates authorities = sources.authorities(trust_domain);
    if (authorities.empty()) {
      return Error(ErrorCode::kTls, "x509svid: could not get X509 bundle: no bundle found for trust domain " +
                                        runtime::go_quote(trust_domain.name()));
    }
    STEEPLE_TRY(id, verify_x509_svid(certificates, trust_domain, authorities, sources.now()));
    if (std::find(authorized.begin(), authorized.end(), id) != authorized.end()) return {};
    return Error(ErrorCode::kTls, "unexpected ID " + runtime::go_quote(id.text()));
  };
}

Result<std::shared_ptr<TlsServerContext>> make(const PrometheusTlsSettings& settings, PrometheusTlsSources sources) {
  STEEPLE_CHECK(check(settings));
  STEEPLE_TRY(authorized, authorized_ids(settings));
  TlsServerContext::Options options;
  options.alpn = "";
  STEEPLE_TRY(identity, identity_of(settings, sources));
  options.identity = std::move(identity);
  options.require_client_certificate = !authorized.empty() || !settings.client_ca_file.empty();
  options.ask_client_certificate = options.require_client_certificate;
  if (!authorized.empty()) {
    options.verifier = by_spiffe_id(std::move(authorized), std::move(sources));
  } else if (!settings.client_ca_file.empty()) {
    STEEPLE_TRY(pem, runtime::read_file(settings.client_ca_file, kTlsFileMax));
    STEEPLE_TRY(authorities, runtime::parse_certificates_pem(pem));
    options.verifier = by_authority(std::move(authorities), std::move(sources.now));
  } else {
    options.verifier = [](Presented) -> Result<void> { return {}; };
  }
  return TlsServerContext::make(std::move(options));
}

}  // namespace

Result<std::shared_ptr<TlsServerContext>> make_prometheus_tls(const PrometheusTlsSettings& settings,
                                                              PrometheusTlsSources sources) {
  return runtime::with_context(make(settings, std::move(sources)), "failed to create TLS config for Prometheus");
}

}  // namespace steeple::agent
