// Binds a ServerConnection to the stream that carries its bytes: one reader (serve_stream), and a writer that exists
// only while output waits. A template, so that no call on the byte path is virtual; instantiated in server.cc. I/O
// thread only.
#pragma once

#include "runtime/engine/byte_stream.h"
#include "runtime/grpc/server_connection.h"

namespace steeple::runtime::grpc {

template <ByteStream C>
class StreamConnection final : public ServerConnection {
 public:
  StreamConnection(ServerCore& core, CallPeer peer, C& stream) : ServerConnection(core, peer), stream_(stream) {}

 private:
  void start_writer() override {
    if (!tasks().spawn(write_all(this))) writer_ended();
  }
  Result<std::size_t> try_send(BytesView bytes) override { return stream_.try_send(bytes); }
  void cancel_io(StopReason reason) override { stream_.cancel(reason); }

  static Task<void> write_all(StreamConnection* self) {
    while (self->next_output()) {
      Result<void> sent = co_await self->stream_.send(self->output());
      self->output_sent(sent);
    }
    self->writer_ended();
  }

  C& stream_;
};

// Until the connection ends; closes it. One coroutine, for its frame is a part of what an idle connection costs.
template <ByteStream C>
Task<void> serve_stream(ServerCore& core, CallPeer peer, C& stream) {
  if (!core.admit(peer.process)) {
    co_await stream.close();
    co_return;
  }
  {
    StreamConnection<C> connection(core, peer, stream);
    core.attach(connection);
    connection.start();
    while (!connection.ended()) {
      Result<ReceivedBytes> received = co_await stream.receive();
      if (!received || received->end_of_stream()) break;
      bool good = connection.input(received->view());
      received = ReceivedBytes();  // the engine wants its buffer back before the next wait
      if (!good) break;
      connection.flush(kSendsAtOnce<C>);
    }
    connection.lost(core.stopping ? StopReason::kShutdown : StopReason::kPeerGone);
    stream.cancel(StopReason::kPeerGone);
    co_await connection.tasks().join();
    connection.settle_last();
    co_await stream.close();
    core.detach(connection, peer.process);
  }
  core.connection_gone.notify();
}

}  // namespace steeple::runtime::grpc
