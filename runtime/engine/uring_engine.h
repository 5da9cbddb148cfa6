// The io_uring engine: connections of Unix sockets driven by one Ring that is attached to the loop by its eventfd.
// Accepting is multishot. Receiving is one-shot from the shared provided buffers: a multishot receive would let one
// peer that sends without reading take every buffer of the ring. An idle connection owns no buffer. I/O thread only.
//
// A ReceivedBytes holds one of the ring's 512 buffers: let it go before the next wait. Sockets are in blocking mode
// (io_uring does not wait on O_NONBLOCK sockets).
#pragma once

#include <coroutine>
#include <deque>
#include <memory>
#include <optional>

#include "runtime/engine/engine.h"
#include "runtime/engine/ring.h"

namespace steeple::runtime {

class UringEngine;

class UringConnection {
 public:
  class Receive;
  class Send;
  class Close;
  UringConnection(UringEngine& engine, FileDescriptor socket);
  ~UringConnection();
  UringConnection(const UringConnection&) = delete;
  UringConnection& operator=(const UringConnection&) = delete;

  Receive receive();
  Send send(BytesView bytes);
  Result<std::size_t> try_send(BytesView bytes);
  void cancel(StopReason reason);
  Close close();

 private:
  UringEngine& engine_;
  FileDescriptor socket_;
  Receive* receiving_ = nullptr;
  Send* sending_ = nullptr;
  StopReason cancelled_ = StopReason::kNone;
  bool more_to_read_ = true;  // the last receive left bytes behind: do not wait for readiness first
};

class UringConnection::Receive : public RingOp {
 public:
  explicit Receive(UringConnection& connection) : RingOp(&completed), connection_(connection) {}
  bool await_ready() const noexcept { return connection_.cancelled_ != StopReason::kNone; }
  void await_suspend(std::coroutine_handle<> waiter);
  Result<ReceivedBytes> await_resume();

 private:
  friend class UringConnection;
  friend class UringEngine;
  static void completed(RingOp& op, std::int32_t result, std::uint32_t flags);
  void start();
  UringConnection& connection_;
  std::coroutine_handle<> waiter_;
  std::int32_t result_ = 0;
  std::uint32_t flags_ = 0;
  // Place among those that found no free buffer.
  Receive* next_ = nullptr;
  Receive* previous_ = nullptr;
  bool starved_ = false;
};

class UringConnection::Send : public RingOp {
 public:
  Send(UringConnection& connection, BytesView bytes) : RingOp(&completed), connection_(connection), rest_(bytes) {}
  bool await_ready() const noexcept { return rest_.empty() || connection_.cancelled_ != StopReason::kNone; }
  void await_suspend(std::coroutine_handle<> waiter);
  Result<void> await_resume();

 private:
  friend class UringConnection;
  static void completed(RingOp& op, std::int32_t result, std::uint32_t flags);
  void start();
  UringConnection& connection_;
  BytesView rest_;
  std::coroutine_handle<> waiter_;
  std::int32_t result_ = 0;
};

// Nothing is under way when a connection is closed, so this never waits; the descriptor is closed with the next batch.
class UringConnection::Close {
 public:
  explicit Close(UringConnection& connection) : connection_(connection) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume();

 private:
  UringConnection& connection_;
};

// Accepted sockets of one listening socket. At most kQueueMax wait here; the rest stay in the kernel's backlog.
class UringIncoming : public RingOp {
 public:
  static constexpr std::size_t kQueueMax = 1024;
  static constexpr std::size_t kKeptBackMax = 8;  // on descriptors kept back: more are hung up on
  // Then the rest of the loop runs first, where what clients have left is closed: one turn of the ring can bring many
  // times more connections than are ever open, and those behind them piled up.
  static constexpr unsigned kAcceptsPerTurn = 16;
  class Next;
  UringIncoming(UringEngine& engine, int listener_fd);
  ~UringIncoming();
  Next next(StopToken stop);
  Task<void> close();  // the listening socket stays its owner's

 private:
  static void completed(RingOp& op, std::int32_t result, std::uint32_t flags);
  void start();
  void pause();
  bool has_next() const { return !sockets_.empty() || error_number_ != 0; }
  void take(FileDescriptor socket);
  bool spend();
  void accept_later();
  UringEngine& engine_;
  int listener_fd_;
  std::deque<FileDescriptor> sockets_;
  int error_number_ = 0;
  bool armed_ = false;
  bool pausing_ = false;  // a cancel is on its way
  unsigned credit_ = kAcceptsPerTurn;
  std::uint64_t turn_ = 0;                   // the engine's, in which the credit was given
  std::shared_ptr<UringIncoming*> delayed_;  // this, until the next turn of the loop
  Next* waiting_ = nullptr;
  std::coroutine_handle<> closer_;
};

class UringIncoming::Next {
 public:
  Next(UringIncoming& incoming, StopToken stop) : incoming_(incoming), stop_(stop) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  Result<FileDescriptor> await_resume();

 private:
  friend class UringIncoming;
  UringIncoming& incoming_;
  StopToken stop_;
  std::coroutine_handle<> waiter_;
  std::optional<StopCallback> on_stop_;
};

class UringEngine {
 public:
  using Connection = UringConnection;
  using Incoming = UringIncoming;
  static Result<std::unique_ptr<UringEngine>> create(Loop& loop, Ring::Options options = {});
  ~UringEngine();  // connections and incoming queues are gone by then
  UringEngine(const UringEngine&) = delete;
  UringEngine& operator=(const UringEngine&) = delete;

  // A connected stream socket in blocking mode.
  std::unique_ptr<UringConnection> adopt(FileDescriptor socket);
  Loop& loop() { return loop_; }
  std::size_t users() const { return users_; }

 private:
  friend class UringConnection;
  friend class UringConnection::Receive;
  friend class UringConnection::Send;
  friend class UringConnection::Close;
  friend class UringIncoming;
  struct Attachment;
  UringEngine(Loop& loop, std::unique_ptr<Ring> ring);
  io_uring_sqe* prepare(RingOp* op);  // and sees to it that it is submitted in this turn of the loop
  void cancel(RingOp& op);
  void submit_soon();
  void wait_for_events();
  void pump();
  void starve(UringConnection::Receive& receive);
  void unstarve(UringConnection::Receive& receive);
  void feed_starved();
  bool can_feed() const { return starved_first_ != nullptr && lent_buffers_ < ring_->buffer_count(); }
  static void release_buffer(void* engine, std::uint32_t slot);

  Loop& loop_;
  std::unique_ptr<Ring> ring_;
  std::shared_ptr<Attachment> attachment_;  // outlives the engine until the loop has let go of its handlers
  UringConnection::Receive* starved_first_ = nullptr;
  UringConnection::Receive* starved_last_ = nullptr;
  std::size_t lent_buffers_ = 0;
  std::size_t users_ = 0;
  std::uint64_t turn_ = 0;
  bool pumping_ = false;
  bool pump_posted_ = false;
};

}  // namespace steeple::runtime
