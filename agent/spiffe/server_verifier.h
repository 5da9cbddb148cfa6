// Who is at the other end of a TLS connection, by SPIFFE rules (server-sync 1.5). Pure, any thread; texts are
// go-spiffe's. kUntrusted only when no path to an authority of the bundle exists.
#pragma once

#include <functional>
#include <span>

#include "agent/spiffe/bundle.h"
#include "agent/spiffe/spiffe_id.h"
#include "runtime/tls/client_context.h"

namespace steeple::agent {

// The chain verifies to `authorities`, which are those of `trust_domain`; gives the leaf's SPIFFE ID.
runtime::Result<SpiffeId> verify_x509_svid(const runtime::Certificates& chain, const TrustDomain& trust_domain,
                                           const runtime::Certificates& authorities, runtime::WallTime now);

runtime::Result<void> verify_server(std::span<const runtime::Bytes> chain, const SpiffeId& expected,
                                    const runtime::Certificates& authorities, runtime::WallTime now);

// insecure_bootstrap: no path is checked, only `expected server SPIFFE ID %q; got %q`.
runtime::Result<void> verify_server_insecurely(std::span<const runtime::Bytes> chain, const SpiffeId& expected);

// As a Verifier of a connection. The authorities and the time are asked for at each handshake.
runtime::Verifier make_server_verifier(SpiffeId expected, std::function<runtime::Certificates()> authorities,
                                       std::function<runtime::WallTime()> now);
runtime::Verifier make_insecure_server_verifier(SpiffeId expected);

}  // namespace steeple::agent
