// The server's two ends (server-sync 8.2): TLS over TCP for agents, a private Unix socket for administrators (mode
// 0770, in a directory made 0750). Each accepts until stopped, and serves its connections in a group that is joined.
// I/O thread only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <string>

#include "runtime/core/log.h"
#include "runtime/engine/epoll_engine.h"
#include "runtime/grpc/server.h"
#include "runtime/os/unix_socket.h"
#include "runtime/task/task_group.h"
#include "runtime/tls/tls_transport.h"

namespace steeple::devserver {

inline constexpr std::size_t kTcpConnectionsMax = 10'000;
inline constexpr std::size_t kPrivateConnectionsMax = 1'000;
inline constexpr std::chrono::milliseconds kFlushOnStop{500};

class TcpListener {
 public:
  struct Target {
    std::string address;  // IP address or name
    std::uint16_t port = 0;
  };
  struct Limits {
    std::chrono::seconds connection_age_max{0};
    runtime::grpc::CallObserver* observer = nullptr;  // of the agents' calls; outlives the listener
  };
  static runtime::Result<std::unique_ptr<TcpListener>> bind(runtime::Loop& loop, const Target& target,
                                                            std::shared_ptr<runtime::TlsServerContext> context,
                                                            const runtime::grpc::ServiceTable& table,
                                                            const Limits& limits, runtime::Logger log);
  runtime::Task<void> serve();  // until stop()
  runtime::Task<void> stop();   // drains, then joins all connections
  std::string address() const;

 private:
  TcpListener(runtime::Loop& loop, std::shared_ptr<runtime::TlsServerContext> context,
              const runtime::grpc::ServiceTable& table, runtime::grpc::ServerOptions options, runtime::Logger log);
  runtime::Task<void> serve_one(boost::asio::ip::tcp::socket socket);

  runtime::Loop& loop_;
  runtime::TlsAcceptor tls_;
  runtime::grpc::Server server_;
  runtime::Logger log_;
  boost::asio::ip::tcp::acceptor acceptor_;
  runtime::TaskGroup connections_;
};

class PrivateListener {
 public:
  static runtime::Result<std::unique_ptr<PrivateListener>> bind(runtime::Loop& loop, const std::string& path,
                                                                const runtime::grpc::ServiceTable& table,
                                                                runtime::Logger log);
  runtime::Task<void> serve();
  runtime::Task<void> stop();

 private:
  PrivateListener(runtime::Loop& loop, runtime::UnixListener listener, std::unique_ptr<runtime::EpollEngine> engine,
                  const runtime::grpc::ServiceTable& table, runtime::Logger log);
  runtime::Task<void> serve_one(runtime::Accepted<runtime::EpollConnection> accepted);

  runtime::UnixListener listener_;
  std::unique_ptr<runtime::EpollEngine> engine_;
  runtime::grpc::Server server_;
  runtime::Logger log_;
  runtime::TaskGroup connections_;
};

}  // namespace steeple::devserver
