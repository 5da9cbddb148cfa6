// TLS over TCP as a Transport: client connections (TlsConnector) and accepted ones (TlsAcceptor). An idle connection
// holds no record buffers. I/O thread only. Error texts follow Go's: "dial tcp 127.0.0.1:8081: connect: connection
// refused", "authentication handshake failed: ..." (a gRPC channel puts "transport: Error while dialing: " or
// "transport: " before them). A verifier's Error keeps its code, so kUntrusted survives.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "runtime/engine/byte_stream.h"
#include "runtime/loop/loop.h"
#include "runtime/tls/client_context.h"
#include "runtime/tls/server_context.h"

namespace steeple::runtime {

inline constexpr std::chrono::seconds kTlsHandshakeTimeout{10};       // accepted connections
inline constexpr std::chrono::seconds kTcpConnectAttemptTimeout{20};  // one address, when more than one is known
inline constexpr std::chrono::milliseconds kTlsCloseTimeout{500};

// Makes connections to host:port. Names are resolved anew at each connect (a server may come back elsewhere) and all
// addresses are tried. HTTPS_PROXY and NO_PROXY, as they are in the environment when the connector is made, are
// honoured with CONNECT; the name is then left to the proxy. SNI is sent for names, not for addresses.
class TlsConnector final : public Connector {
 public:
  struct Target {
    std::string host;  // name or address, IPv6 without brackets
    std::uint16_t port = 0;
  };
  TlsConnector(Loop& loop, Target target, std::shared_ptr<TlsClientContext> context);
  ~TlsConnector() override;
  Task<Result<std::unique_ptr<Transport>>> connect(Deadline deadline, StopToken stop) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Takes accepted sockets through the server's side of the handshake. The owner accepts, and may drop the result.
class TlsAcceptor {
 public:
  TlsAcceptor(Loop& loop, std::shared_ptr<TlsServerContext> context) : loop_(loop), context_(std::move(context)) {}
  Task<Result<std::unique_ptr<Transport>>> accept(boost::asio::ip::tcp::socket socket, StopToken stop);

 private:
  Loop& loop_;
  std::shared_ptr<TlsServerContext> context_;
};

}  // namespace steeple::runtime
