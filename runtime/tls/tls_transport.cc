#include "runtime/tls/tls_transport.h"

#include <openssl/ssl.h>

#include "runtime/task/timeout.h"
#include "runtime/tls/proxy.h"
#include "runtime/tls/tcp_dial.h"
#include "runtime/tls/tls_stream.h"

namespace steeple::runtime {
namespace {

using boost::asio::ip::tcp;

OpensslPtr<SSL> new_client_ssl(const TlsClientContext& context, const std::string& host) {
  OpensslPtr<SSL> ssl(SSL_new(context.native()));
  if (!ssl) return ssl;
  SSL_set_connect_state(ssl.get());
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  std::string name = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
  if (not_an_address && !name.empty()) SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  return ssl;
}

OpensslPtr<SSL> new_server_ssl(const TlsServerContext& context) {
  OpensslPtr<SSL> ssl(SSL_new(context.native()));
  if (ssl) SSL_set_accept_state(ssl.get());
  return ssl;
}

Task<Result<void>> bounded_handshake(Loop& loop, TlsStream& stream, std::string alpn, Deadline deadline,
                                     StopToken stop) {
  Timeout timeout(loop, deadline, stop);
  Result<void> done = co_await stream.handshake(std::move(alpn), timeout.token());
  if (done) co_return std::move(done);
  if (stop.stop_requested()) co_return stop.error();
  if (timeout.token().stop_requested()) co_return Error(ErrorCode::kDeadline, "context deadline exceeded");
  co_return std::move(done);
}

}  // namespace

struct TlsConnector::Impl {
  Loop& loop;
  Target target;
  std::shared_ptr<TlsClientContext> context;
  ProxySettings proxies;
};

TlsConnector::TlsConnector(Loop& loop, Target target, std::shared_ptr<TlsClientContext> context)
    : impl_(new Impl{loop, std::move(target), std::move(context), ProxySettings::from_process()}) {}

TlsConnector::~TlsConnector() = default;

Task<Result<std::unique_ptr<Transport>>> TlsConnector::connect(Deadline deadline, StopToken stop) {
  const Target& target = impl_->target;
  STEEPLE_CO_TRY(proxy, impl_->proxies.proxy_for(target.host, target.port));
  STEEPLE_CO_TRY(socket, co_await dial_tcp(impl_->loop, target.host, target.port, std::move(proxy), deadline, stop));
  OpensslPtr<SSL> ssl = new_client_ssl(*impl_->context, target.host);
  if (!ssl) co_return openssl_error(ErrorCode::kInternal, "make TLS connection");
  auto stream = std::make_unique<TlsStream>(impl_->loop, std::move(socket), std::move(ssl));
  Result<void> done = co_await bounded_handshake(impl_->loop, *stream, impl_->context->options().alpn, deadline, stop);
  if (!done) co_return std::move(done.error()).with_context("authentication handshake failed");
  co_return std::unique_ptr<Transport>(std::move(stream));
}

Task<Result<std::unique_ptr<Transport>>> TlsAcceptor::accept(tcp::socket socket, StopToken stop) {
  set_tcp_options(socket);
  std::shared_ptr<TlsServerContext> context = context_;
  OpensslPtr<SSL> ssl = new_server_ssl(*context);
  if (!ssl) co_return openssl_error(ErrorCode::kInternal, "make TLS connection");
  auto stream = std::make_unique<TlsStream>(loop_, std::move(socket), std::move(ssl));
  Deadline deadline = Deadline::after(loop_.now(), kTlsHandshakeTimeout);
  Result<void> done = co_await bounded_handshake(loop_, *stream, context->options().alpn, deadline, stop);
  if (done && stream->peer_certificates().empty()) done = context->options().verifier({});
  if (!done) co_return std::move(done.error()).with_context("TLS handshake");
  co_return std::unique_ptr<Transport>(std::move(stream));
}

}  // namespace steeple::runtime
