// A small HTTP/1.1 server for health checks, metrics and bundle endpoints: TCP, plain or TLS, a handler that answers at
// once. Every size, time and number is bounded; a full server drops the connection that has been idle longest. Owned by
// the part that serves; stop() before it dies. I/O thread only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "runtime/core/log.h"
#include "runtime/engine/byte_stream.h"
#include "runtime/http1/message.h"
#include "runtime/loop/loop.h"
#include "runtime/task/task_group.h"
#include "runtime/tls/tls_transport.h"

namespace steeple::runtime {

struct HttpServerOptions {
  HttpMessageLimits message;
  std::size_t connections_max = 64;
  std::size_t requests_per_connection_max = 10'000;
  // From a request's first byte, or the first request's connection, to its last byte.
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds idle_timeout = std::chrono::seconds(120);  // between requests
  std::chrono::nanoseconds reply_timeout = std::chrono::seconds(30);
  std::shared_ptr<TlsServerContext> tls;  // none: plain HTTP. Its ALPN must be empty.
};

using HttpHandler = std::function<HttpReply(const HttpServerRequest&)>;

class HttpServer {
 public:
  HttpServer(Loop& loop, HttpServerOptions options, HttpHandler handler, Logger log);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // `host` is a name (the first IPv4 address, else the first) or an address without brackets; empty: all addresses.
  // Port 0: any. Errors read like Go's: "listen tcp 127.0.0.1:80: bind: address already in use".
  Task<Result<void>> bind(std::string host, std::uint16_t port, StopToken stop);
  Task<void> serve();  // after bind(), until stop()
  Task<void> stop();   // closes all connections at once and joins them
  std::uint16_t port() const;
  std::size_t connections() const { return connections_.size(); }

 private:
  struct Connection {
    Transport* transport = nullptr;
    bool idle = true;  // between requests
    std::size_t served = 0;
  };
  Result<void> listen(const boost::asio::ip::tcp::endpoint& endpoint);
  bool make_room();
  Task<void> serve_one(boost::asio::ip::tcp::socket socket);
  Task<void> converse(Transport& transport, Connection& connection);
  Task<Result<std::optional<HttpServerRequest>>> next_request(Transport& transport, HttpRequestReader& reader,
                                                              Connection& connection);
  Task<Result<void>> send(Transport& transport, std::string bytes);

  Loop& loop_;
  HttpServerOptions options_;
  HttpHandler handler_;
  Logger log_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::list<Connection> connections_;  // oldest first
  TaskGroup tasks_;
};

}  // namespace steeple::runtime
