#include "deploy/devserver/federation/bundle_endpoint.h"

#include "agent/spiffe/jwks.h"
#include "runtime/core/secret_bytes.h"
#include "runtime/os/file.h"

namespace steeple::devserver {

using runtime::HttpReply;
using runtime::Result;
using runtime::Task;

namespace {

constexpr std::size_t kServingFileMax = 1u << 20;

HttpReply plain(unsigned status, std::string text) {
  HttpReply reply;
  reply.status = status;
  reply.content_type = "text/plain; charset=utf-8";
  reply.body = std::move(text) + "\n";
  return reply;
}

Result<runtime::TlsIdentity> read_identity(const ServingCertificateFiles& files) {
  STEEPLE_TRY(pem, runtime::read_file(files.certificate, kServingFileMax));
  STEEPLE_TRY(key_pem, runtime::read_file(files.key, kServingFileMax));
  auto identity = runtime::tls_identity_from_pem(pem, key_pem);
  runtime::wipe_memory(key_pem.data(), key_pem.size());
  return identity;
}

}  // namespace

HttpReply bundle_reply(const runtime::HttpServerRequest& request, agent::Bundle own,
                       std::chrono::seconds refresh_hint) {
  if (request.method != "GET") return plain(405, "405 method not allowed");
  if (request.path() != "/") return runtime::http_not_found();
  own.set_refresh_hint(refresh_hint);
  auto document = agent::format_bundle_document(own, true);
  if (!document) return plain(500, "500 unable to marshal local bundle");
  HttpReply reply;
  reply.content_type = "application/json";
  reply.body = std::move(*document);
  return reply;
}

Result<ServingCertificate> ServingCertificate::load(ServingCertificateFiles files) {
  STEEPLE_TRY(identity, runtime::with_context(read_identity(files), "failed to load certificate"));
  return ServingCertificate(std::move(files), std::move(identity));
}

Result<void> ServingCertificate::reload() {
  STEEPLE_TRY(identity, read_identity(files_));
  identity_ = std::move(identity);
  return {};
}

Result<std::unique_ptr<BundleEndpoint>> BundleEndpoint::make(runtime::Loop& loop, BundleEndpointConfig config,
                                                             Sources sources, runtime::Logger log) {
  std::unique_ptr<BundleEndpoint> endpoint(new BundleEndpoint(std::move(config), std::move(sources), log));
  BundleEndpoint& self = *endpoint;
  if (self.config_.serving) {
    STEEPLE_TRY(certificate, ServingCertificate::load(*self.config_.serving));
    self.certificate_.emplace(std::move(certificate));
    self.next_reload_ = loop.now() + self.config_.serving->sync_interval;
  }
  runtime::TlsServerContext::Options tls;
  tls.alpn = "";
  tls.ask_client_certificate = false;
  tls.identity = [&self] {
    return self.certificate_ ? std::optional(self.certificate_->identity()) : self.sources_.svid();
  };
  tls.verifier = [](std::span<const runtime::Bytes>) -> Result<void> { return {}; };
  runtime::HttpServerOptions options;
  STEEPLE_TRY(context, runtime::TlsServerContext::make(std::move(tls)));
  options.tls = std::move(context);
  auto handler = [&self](const runtime::HttpServerRequest& request) {
    auto bundle = self.sources_.bundle();
    if (bundle) return bundle_reply(request, std::move(*bundle), self.config_.refresh_hint);
    self.log_.error("Unable to retrieve local bundle", {{"error", bundle.error()}});
    return plain(500, "500 unable to retrieve local bundle");
  };
  self.server_ = std::make_unique<runtime::HttpServer>(loop, std::move(options), handler, std::move(log));
  return endpoint;
}

Task<Result<void>> BundleEndpoint::bind() {
  auto bound = co_await server_->bind(config_.address, config_.port, {});
  if (bound) {
    log_.info("Serving bundle endpoint", {{"addr", config_.address + ":" + std::to_string(server_->port())},
                                          {"refresh_hint", std::to_string(config_.refresh_hint.count()) + "s"}});
  }
  co_return bound;
}

void BundleEndpoint::maintain(runtime::SteadyTime now) {
  if (!certificate_ || now < next_reload_) return;
  next_reload_ = now + config_.serving->sync_interval;
  if (auto done = certificate_->reload(); !done) log_.error("Failed to load certificate", {{"error", done.error()}});
}

}  // namespace steeple::devserver
