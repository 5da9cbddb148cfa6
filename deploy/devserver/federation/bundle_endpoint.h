// The server's own bundle over HTTPS, for those who federate with it (SPIFFE Federation specification, section 5):
// authenticated by the server's SVID (https_spiffe) or by a certificate from files (https_web), read anew when the
// files change. Owned by the server. I/O thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/spiffe/bundle.h"
#include "deploy/devserver/config/federation.h"
#include "runtime/core/log.h"
#include "runtime/http1/server.h"

namespace steeple::devserver {

// What a request gets: the document for GET /, 405 for other methods, 404 for other paths.
runtime::HttpReply bundle_reply(const runtime::HttpServerRequest& request, agent::Bundle own,
                                std::chrono::seconds refresh_hint);

// A chain and its key from files. reload() keeps the last good pair when the files cannot be used.
class ServingCertificate {
 public:
  static runtime::Result<ServingCertificate> load(ServingCertificateFiles files);
  runtime::Result<void> reload();
  const runtime::TlsIdentity& identity() const { return identity_; }

 private:
  ServingCertificate(ServingCertificateFiles files, runtime::TlsIdentity identity)
      : files_(std::move(files)), identity_(std::move(identity)) {}
  ServingCertificateFiles files_;
  runtime::TlsIdentity identity_;
};

class BundleEndpoint {
 public:
  struct Sources {
    std::function<runtime::Result<agent::Bundle>()> bundle;
    std::function<std::optional<runtime::TlsIdentity>()> svid;
  };
  static runtime::Result<std::unique_ptr<BundleEndpoint>> make(runtime::Loop& loop, BundleEndpointConfig config,
                                                               Sources sources, runtime::Logger log);
  runtime::Task<runtime::Result<void>> bind();
  runtime::Task<void> serve() { return server_->serve(); }  // until stop()
  runtime::Task<void> stop() { return server_->stop(); }
  void maintain(runtime::SteadyTime now);  // reads the files again when it is time

 private:
  BundleEndpoint(BundleEndpointConfig config, Sources sources, runtime::Logger log)
      : config_(std::move(config)), sources_(std::move(sources)), log_(std::move(log)) {}
  BundleEndpointConfig config_;
  Sources sources_;
  runtime::Logger log_;
  std::optional<ServingCertificate> certificate_;
  runtime::SteadyTime next_reload_{};
  std::unique_ptr<runtime::HttpServer> server_;
};

}  // namespace steeple::devserver
