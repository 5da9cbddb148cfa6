#include "runtime/grpc/server.h"

#include "runtime/engine/epoll_engine.h"
#include "runtime/engine/uring_engine.h"
#include "runtime/grpc/server_stream.h"

namespace steeple::runtime::grpc {

class Server::Impl {
 public:
  Impl(Loop& loop, const ServiceTable& table, ServerOptions options, Logger log)
      : core(loop, table, options, std::move(log)), housekeeping(loop) {
    housekeeping.spawn(core.flush_each_turn(housekeeping.token()));
    housekeeping.spawn(core.run_timers(housekeeping.token()));
  }
  // Returns when the last connection has gone; false when the deadline passed first.
  Task<bool> wait_for_connections(Deadline deadline) {
    while (!core.connections.empty()) {
      Result<void> waited = co_await core.connection_gone.wait(deadline, StopToken());
      if (!waited) co_return false;
    }
    co_return true;
  }

  ServerCore core;
  TaskGroup housekeeping;
  bool joined = false;
};

Server::Server(Loop& loop, const ServiceTable& table, ServerOptions options, Logger log)
    : impl_(std::make_unique<Impl>(loop, table, options, std::move(log))) {}

Server::~Server() { STEEPLE_ASSERT(impl_->joined && impl_->core.connections.empty()); }

template <ByteStream C>
Task<void> Server::serve(C& connection, const Peer* process) {
  CallPeer peer;
  peer.process = process;
  if constexpr (requires { connection.peer_certificates(); }) {
    if (process == nullptr) peer.certificates = &connection.peer_certificates();
  }
  return serve_stream(impl_->core, peer, connection);
}

template Task<void> Server::serve(UringConnection&, const Peer*);
template Task<void> Server::serve(EpollConnection&, const Peer*);
template Task<void> Server::serve(Transport&, const Peer*);

Task<void> Server::stop(Status status, std::chrono::nanoseconds flush) {
  ServerCore& core = impl_->core;
  core.stopping = true;
  core.stop_status = status;
  Deadline flushed = Deadline::after(core.loop.now(), flush);
  std::vector<ServerConnection*> open = core.connections;
  for (ServerConnection* connection : open) connection->begin_stop(status);
  if (!co_await impl_->wait_for_connections(flushed)) {
    open = core.connections;
    for (ServerConnection* connection : open) connection->cut();
    co_await impl_->wait_for_connections(Deadline::never());
  }
  impl_->housekeeping.close(StopReason::kShutdown);
  co_await impl_->housekeeping.join();
  impl_->joined = true;
}

std::size_t Server::connections() const { return impl_->core.connections.size(); }
std::size_t Server::streams() const { return impl_->core.streams; }

}  // namespace steeple::runtime::grpc
