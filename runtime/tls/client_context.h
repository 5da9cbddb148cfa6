// TLS for connections that Steeple opens (server-sync 1.5): TLS 1.2 or later, one ALPN protocol that the server must
// select, no resumption, no host name check; the Verifier alone decides. The identity is asked for at each handshake,
// so a rotated SVID is used by the next connection. I/O thread only; shared by the connections made from it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"
#include "runtime/tls/keys.h"

struct ssl_ctx_st;

namespace steeple::runtime {

// What this side presents: leaf first, DER.
struct TlsIdentity {
  std::vector<Bytes> chain;
  PrivateKey key;
};
// Asked at each handshake. A client that gets nothing presents no certificate.
using IdentityProvider = std::function<std::optional<TlsIdentity>()>;

// Gets what the peer presented, DER, leaf first; an error ends the handshake and keeps its code (kUntrusted included)
// on the way up. A server's verifier is also asked with an empty chain: the client presented nothing.
using Verifier = std::function<Result<void>(std::span<const Bytes> chain)>;

class TlsClientContext {
 public:
  struct Options {
    std::string alpn = "h2";    // empty: none offered, none asked for
    IdentityProvider identity;  // may be empty
    Verifier verifier;          // must be set
    bool tls13_only = false;
  };
  static Result<std::shared_ptr<TlsClientContext>> make(Options options);
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  const Options& options() const { return options_; }
  ssl_ctx_st* native() const { return context_; }  // for runtime/tls

 private:
  TlsClientContext(Options options, ssl_ctx_st* context) : options_(std::move(options)), context_(context) {}
  Options options_;
  ssl_ctx_st* context_;
};

}  // namespace steeple::runtime
