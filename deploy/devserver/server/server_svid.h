// What the server presents on TCP: an SVID for spiffe://TD/spire/server of the active authority, renewed at half its
// life, and at once when the authority that signed it was tainted or revoked (server-sync 8.5). I/O thread only.
#pragma once

#include <memory>

#include "deploy/devserver/ca/authorities.h"
#include "runtime/tls/client_context.h"

namespace steeple::devserver {

class ServerSvid {
 public:
  static runtime::Result<std::unique_ptr<ServerSvid>> make(const Authorities& authorities, const runtime::Clock& clock,
                                                           agent::TrustDomain trust_domain, std::chrono::seconds ttl);
  const runtime::TlsIdentity& identity() const { return *identity_; }
  const runtime::Certificate& certificate() const { return *certificate_; }

  bool due() const;  // for renewal
  runtime::Result<void> renew();

 private:
  ServerSvid(const Authorities& authorities, const runtime::Clock& clock, agent::TrustDomain trust_domain,
             std::chrono::seconds ttl)
      : authorities_(authorities), clock_(clock), trust_domain_(std::move(trust_domain)), ttl_(ttl) {}
  const Authorities& authorities_;
  const runtime::Clock& clock_;
  agent::TrustDomain trust_domain_;
  std::chrono::seconds ttl_;
  std::optional<runtime::Certificate> certificate_;
  std::optional<runtime::TlsIdentity> identity_;
};

// Decides on a client's certificate: none is fine, else an SVID of the own trust domain from an authority in the
// bundle.
runtime::Result<void> verify_client(const Authorities& authorities, const agent::TrustDomain& trust_domain,
                                    std::span<const runtime::Bytes> chain, runtime::WallTime now);

}  // namespace steeple::devserver
