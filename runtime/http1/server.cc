#include "runtime/http1/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/v6_only.hpp>

#include "runtime/core/assert.h"
#include "runtime/http1/tcp_transport.h"
#include "runtime/os/file.h"
#include "runtime/task/async_op.h"
#include "runtime/task/timeout.h"
#include "runtime/tls/proxy.h"
#include "runtime/tls/resolver.h"

namespace steeple::runtime {
namespace {

using boost::asio::ip::tcp;
using SystemCode = boost::system::error_code;

constexpr std::chrono::milliseconds kPauseAfterFailedAccept{100};
constexpr int kBacklog = 128;

tcp::endpoint preferred(const std::vector<tcp::endpoint>& endpoints) {
  for (const tcp::endpoint& endpoint : endpoints)
    if (endpoint.address().is_v4()) return endpoint;
  return endpoints.front();
}

}  // namespace

HttpServer::HttpServer(Loop& loop, HttpServerOptions options, HttpHandler handler, Logger log)
    : loop_(loop),
      options_(std::move(options)),
      handler_(std::move(handler)),
      log_(std::move(log)),
      acceptor_(loop.io()),
      tasks_(loop) {}

HttpServer::~HttpServer() { STEEPLE_ASSERT(tasks_.size() == 0); }

Task<Result<void>> HttpServer::bind(std::string host, std::uint16_t port, StopToken stop) {
  if (host.empty()) {
    Result<void> both = listen(tcp::endpoint(tcp::v6(), port));
    if (!both) both = listen(tcp::endpoint(tcp::v4(), port));  // no IPv6 here
    co_return std::move(both);
  }
  const Deadline deadline = Deadline::after(loop_.now(), kLookupTimeout);
  STEEPLE_CO_TRY(endpoints,
                 with_context(co_await resolve_host(loop_, std::move(host), port, deadline, stop), "listen tcp"));
  co_return listen(preferred(endpoints));
}

Result<void> HttpServer::listen(const tcp::endpoint& endpoint) {
  const std::string doing = "listen tcp " + join_host_port(endpoint.address().to_string(), endpoint.port());
  SystemCode failed;
  acceptor_.close(failed);
  std::string_view step = "socket";
  acceptor_.open(endpoint.protocol(), failed);
  if (!failed) acceptor_.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed && endpoint.address().is_v6() && endpoint.address().is_unspecified()) {
    acceptor_.set_option(boost::asio::ip::v6_only(false), failed);
  }
  if (!failed) {
    step = "bind";
    acceptor_.bind(endpoint, failed);
  }
  if (!failed) {
    step = "listen";
    acceptor_.listen(kBacklog, failed);
  }
  if (!failed) return {};
  SystemCode ignored;
  acceptor_.close(ignored);
  return Error(ErrorCode::kSystem, fmt::format("{}: {}: {}", doing, step, go_errno_text(failed.value())));
}

std::uint16_t HttpServer::port() const {
  SystemCode failed;
  return acceptor_.local_endpoint(failed).port();
}

Task<void> HttpServer::serve() {
  while (!tasks_.closed()) {
    auto [failed, socket] = co_await async_op<SystemCode, tcp::socket>(
        [this](auto handler) { acceptor_.async_accept(std::move(handler)); }, tasks_.token());
    if (tasks_.closed()) co_return;
    if (failed) {
      log_.warning("Could not accept a connection", {{"error", failed.message()}});
      static_cast<void>(
          co_await sleep_until(loop_, Deadline::after(loop_.now(), kPauseAfterFailedAccept), tasks_.token()));
      continue;
    }
    if (make_room()) tasks_.spawn(serve_one(std::move(socket)));
  }
}

// At the limit the longest idle connection is dropped, so that held connections cannot keep a probe out. The new one is
// let in beside it; twice the limit is never passed.
bool HttpServer::make_room() {
  if (connections_.size() < options_.connections_max) return true;
  const auto idle = std::find_if(connections_.begin(), connections_.end(),
                                 [](const Connection& c) { return c.idle && c.transport != nullptr; });
  if (idle == connections_.end() || connections_.size() >= 2 * options_.connections_max) return false;
  idle->idle = false;
  idle->transport->cancel(StopReason::kOverload);
  return true;
}

Task<void> HttpServer::serve_one(tcp::socket socket) {
  const auto connection = connections_.emplace(connections_.end());
  std::unique_ptr<Transport> transport;
  if (options_.tls) {
    auto accepted = co_await TlsAcceptor(loop_, options_.tls).accept(std::move(socket), tasks_.token());
    if (accepted) {
      transport = std::move(*accepted);
    } else {
      log_.debug("TLS handshake failed", {{"error", accepted.error()}});
    }
  } else {
    transport = std::make_unique<TcpTransport>(std::move(socket));
  }
  if (transport) {
    connection->transport = transport.get();
    StopCallback on_stop(tasks_.token(), [&](StopReason reason) { transport->cancel(reason); });
    co_await converse(*transport, *connection);
    connection->transport = nullptr;
    co_await transport->close();
  }
  connections_.erase(connection);
}

Task<void> HttpServer::converse(Transport& transport, Connection& connection) {
  HttpRequestReader reader(options_.message);
  for (; connection.served < options_.requests_per_connection_max; ++connection.served) {
    connection.idle = true;
    Result<std::optional<HttpServerRequest>> request = co_await next_request(transport, reader, connection);
    connection.idle = false;
    if (!request) {
      const ErrorCode code = request.error().code();
      if (code != ErrorCode::kMalformed && code != ErrorCode::kLimit) co_return;
      HttpServerRequest refused;
      refused.keep_alive = false;
      static_cast<void>(
          co_await send(transport, encode_http_reply(reader.refusal(), refused, std::chrono::system_clock::now())));
      co_return;
    }
    if (!*request) co_return;  // the client has closed
    HttpServerRequest& asked = **request;
    asked.peer_certificates = transport.peer_certificates();
    if (connection.served + 1 == options_.requests_per_connection_max) asked.keep_alive = false;
    const HttpReply reply = handler_(asked);
    Result<void> sent = co_await send(transport, encode_http_reply(reply, asked, std::chrono::system_clock::now()));
    if (!sent || !asked.keep_alive) co_return;
  }
}

// Nothing at the end of the stream.
Task<Result<std::optional<HttpServerRequest>>> HttpServer::next_request(Transport& transport, HttpRequestReader& reader,
                                                                        Connection& connection) {
  STEEPLE_CO_TRY(ready, reader.feed({}));
  if (ready) co_return std::move(ready);
  std::optional<Timeout> timeout;
  std::optional<StopCallback> on_timeout;
  const auto arm = [&](std::chrono::nanoseconds wait) {
    on_timeout.reset();
    timeout.emplace(loop_, Deadline::after(loop_.now(), wait), StopToken());
    on_timeout.emplace(timeout->token(), [&](StopReason reason) { transport.cancel(reason); });
  };
  arm(reader.started() || connection.served == 0 ? options_.request_timeout : options_.idle_timeout);
  for (;;) {
    STEEPLE_CO_TRY(received, co_await transport.receive());
    if (received.end_of_stream()) co_return std::optional<HttpServerRequest>();
    if (!reader.started()) {
      connection.idle = false;
      arm(options_.request_timeout);
    }
    STEEPLE_CO_TRY(request, reader.feed(received.view()));
    if (request) co_return std::move(request);
    if (reader.take_expects_continue()) {
      STEEPLE_CO_CHECK(co_await transport.send(as_bytes("HTTP/1.1 100 Continue\r\n\r\n")));
    }
  }
}

Task<Result<void>> HttpServer::send(Transport& transport, std::string bytes) {
  Timeout timeout(loop_, Deadline::after(loop_.now(), options_.reply_timeout), {});
  StopCallback on_timeout(timeout.token(), [&](StopReason reason) { transport.cancel(reason); });
  co_return co_await transport.send(as_bytes(bytes));
}

Task<void> HttpServer::stop() {
  tasks_.close(StopReason::kShutdown);
  SystemCode ignored;
  acceptor_.close(ignored);
  co_await tasks_.join();
}

}  // namespace steeple::runtime
