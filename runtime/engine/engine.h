// What serves the Unix sockets: io_uring (uring_engine.h) or its equal, epoll (epoll_engine.h). Connection code is a
// template over the Engine concept, so no call on the byte path is virtual. I/O thread only.
//
//   Acceptor<E> acceptor(engine, listener.fd(), on_refused);
//   for (;;) { auto accepted = co_await acceptor.accept(stop); if (!accepted) break;
//   group.spawn(serve(std::move(*accepted))); } co_await acceptor.close();
#pragma once

#include <cerrno>
#include <functional>
#include <memory>

#include "runtime/engine/byte_stream.h"
#include "runtime/engine/socket_error.h"
#include "runtime/loop/loop.h"
#include "runtime/os/descriptor_table.h"
#include "runtime/os/file_descriptor.h"
#include "runtime/os/peer.h"
#include "runtime/task/timeout.h"

namespace steeple::runtime {

// Connection: a ByteStream of a connected Unix socket. It must not outlive its engine; close() it before it dies.
// Incoming: the accepted sockets of one listening socket, which the engine switches to the blocking mode it needs.
template <class E>
concept Engine = requires(E& engine, FileDescriptor socket, typename E::Incoming& incoming, StopToken stop) {
  requires ByteStream<typename E::Connection>;
  requires std::constructible_from<typename E::Incoming, E&, int>;
  { engine.adopt(std::move(socket)) } -> std::same_as<std::unique_ptr<typename E::Connection>>;
  { incoming.next(stop) } -> AwaitsTo<Result<FileDescriptor>>;
  { incoming.close() } -> AwaitsTo<void>;
  { engine.loop() } -> std::same_as<Loop&>;
};

template <class C>
class Accepted {
 public:
  Accepted(std::unique_ptr<C> accepted_connection, Peer accepted_peer)
      : connection(std::move(accepted_connection)), peer(std::move(accepted_peer)) {}
  std::unique_ptr<C> connection;
  Peer peer;
};

inline constexpr std::chrono::milliseconds kAcceptPause{100};  // after "too many open files" and the like

// Connections with the identity of their peers. A peer that cannot be identified is hung up on, and accepting goes on.
// While only the descriptors kept back are left (descriptor_table.h), the newest connection waits, and the rest in the
// kernel.
template <Engine E>
class Acceptor {
 public:
  using Connection = typename E::Connection;
  // Told, for the log: a peer that was refused, and (once, until it is over) a shortage of descriptors or memory.
  using OnRefused = std::function<void(const Error&)>;

  Acceptor(E& engine, int listener_fd, OnRefused on_refused)
      : engine_(engine), incoming_(engine, listener_fd), on_refused_(std::move(on_refused)) {}

  // Fails only when `stop` fires or the listening socket itself is broken.
  Task<Result<Accepted<Connection>>> accept(StopToken stop) {
    for (;;) {
      Result<FileDescriptor> socket = co_await incoming_.next(stop);
      if (!socket) {
        if (stop.stop_requested() || !is_shortage(socket.error())) co_return std::move(socket.error());
        STEEPLE_CO_CHECK(co_await pause(socket.error(), stop));
        continue;
      }
      const bool kept_back = is_kept_back(socket->get());
      while (kept_back && !descriptors_are_left()) STEEPLE_CO_CHECK(co_await pause(accept_error(EMFILE), stop));
      Result<Peer> peer = Peer::of_socket(socket->get());
      while (!peer && !descriptors_are_left()) {
        STEEPLE_CO_CHECK(co_await pause(accept_error(EMFILE), stop));
        peer = Peer::of_socket(socket->get());
      }
      if (!peer) {
        on_refused_(peer.error());
        continue;
      }
      short_ = short_ && kept_back;
      co_return Accepted<Connection>(engine_.adopt(std::move(*socket)), std::move(*peer));
    }
  }
  Task<void> close() { co_await incoming_.close(); }  // once, after the last accept()

 private:
  Task<Result<void>> pause(Error shortage, StopToken stop) {
    if (!std::exchange(short_, true)) on_refused_(shortage);
    co_return co_await sleep_until(engine_.loop(), Deadline::in(kAcceptPause), stop);
  }

  E& engine_;
  typename E::Incoming incoming_;
  OnRefused on_refused_;
  bool short_ = false;
};

}  // namespace steeple::runtime
