// Serves a ServiceTable on accepted connections. One Server per socket; connections of any ByteStream. I/O thread only.
//
//   Server server(loop, table, options);
//   group.spawn(serve_unix(engine, listener, server));   // see endpoints
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "runtime/core/log.h"
#include "runtime/engine/byte_stream.h"
#include "runtime/grpc/call_observer.h"
#include "runtime/grpc/service.h"
#include "runtime/loop/loop.h"

namespace steeple::runtime::grpc {

struct ServerOptions {
  CallObserver* observer = nullptr;  // outlives the server
  std::size_t connections_max = 20'000;
  std::size_t connections_per_user_max = 16'000;  // by peer uid; uid 0 is not limited below connections_max
  std::size_t streams_per_connection_max = 10'000;
  std::size_t streams_max = 60'000;
  std::size_t header_list_bytes_max = 64 << 10;
  std::size_t request_bytes_max = 4u << 20;                  // RESOURCE_EXHAUSTED above, as grpc-go says it
  std::size_t buffered_bytes_per_connection_max = 1u << 20;  // answers; requests: this and one largest message
  std::size_t buffered_request_bytes_max = 256u << 20;       // of all connections
  bool enforce_http_messaging = false;             // off on Unix sockets: odd authorities are accepted (clients A.3)
  std::chrono::nanoseconds connection_age_max{0};  // GOAWAY after this; 0 = never
  std::chrono::nanoseconds setup_timeout = std::chrono::seconds(120);  // until the client's first SETTINGS
};

class Server {
 public:
  Server(Loop& loop, const ServiceTable& table, ServerOptions options, Logger log);
  ~Server();  // stop() first
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves one accepted connection until it ends, and closes it. `process` is set for Unix sockets; both outlive the
  // task. Instantiated in server.cc for UringConnection, EpollConnection and Transport.
  template <ByteStream C>
  Task<void> serve(C& connection, const Peer* process);

  // Open calls end with `status`, output is flushed for at most `flush`, then everything is closed and joined: every
  // serve() has returned. Later connections are closed at once.
  Task<void> stop(Status status, std::chrono::nanoseconds flush);

  std::size_t connections() const;
  std::size_t streams() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace steeple::runtime::grpc
