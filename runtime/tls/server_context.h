// TLS for connections that Steeple accepts (server-sync 1.5, "Server side it meets"): TLS 1.2 or later, ALPN h2
// mandatory unless it is switched off, no session tickets; a client certificate is asked for, where that is wanted, and
// may be absent; the Verifier decides in both cases. The identity is asked for at each handshake. I/O thread only.
#pragma once

#include <memory>

#include "runtime/tls/client_context.h"

namespace steeple::runtime {

class TlsServerContext {
 public:
  struct Options {
    std::string alpn = "h2";             // empty: none is asked for
    IdentityProvider identity;           // must be set; a handshake for which it gives nothing fails
    Verifier verifier;                   // must be set; gets an empty chain when the client presented nothing
    bool ask_client_certificate = true;  // else the verifier always gets an empty chain
    // A client without one is told so by the handshake: alert certificate_required (TLS 1.3) or handshake_failure.
    bool require_client_certificate = false;
  };
  static Result<std::shared_ptr<TlsServerContext>> make(Options options);
  ~TlsServerContext();
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;

  const Options& options() const { return options_; }
  ssl_ctx_st* native() const { return context_; }  // for runtime/tls

 private:
  TlsServerContext(Options options, ssl_ctx_st* context) : options_(std::move(options)), context_(context) {}
  Options options_;
  ssl_ctx_st* context_;
};

}  // namespace steeple::runtime
