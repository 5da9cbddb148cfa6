// `telemetry.Prometheus.tls`: TLS of the metrics listener (config-cli 3.3): a certificate from files, loaded once, or
// the agent's own X509-SVID; clients are asked for nothing, for a certificate of a CA file, or for an X509-SVID of a
// list.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/spiffe/trust_domain.h"
#include "runtime/core/clock.h"
#include "runtime/tls/server_context.h"
#include "runtime/tls/x509.h"

namespace steeple::agent {

struct PrometheusTlsSettings {
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file;
  bool use_spire_svid = false;
  std::vector<std::string> authorized_spiffe_ids;
};

// Asked at each handshake, so that rotations are followed.
struct PrometheusTlsSources {
  runtime::IdentityProvider svid;                                                     // nothing: not attested yet
  std::function<runtime::Certificates(const TrustDomain& trust_domain)> authorities;  // empty: no such bundle
  std::function<runtime::WallTime()> now;
};

// Errors are upstream's, prefix `failed to create TLS config for Prometheus: `.
runtime::Result<std::shared_ptr<runtime::TlsServerContext>> make_prometheus_tls(const PrometheusTlsSettings& settings,
                                                                                PrometheusTlsSources sources);

}  // namespace steeple::agent
