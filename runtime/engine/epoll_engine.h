// The epoll engine, equal to io_uring in all but system calls: an edge-triggered epoll set of its own, nested in the
// loop's. Each socket is registered once. All connections read into one shared buffer (another is made while it is lent
// out), so an idle connection owns none. I/O thread only.
//
// A ReceivedBytes holds that buffer: let it go before the next wait.
#pragma once

#include <coroutine>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/engine/engine.h"

namespace steeple::runtime {

class EpollEngine;

// What an epoll event finds: notes the event first, and acts once all events of the batch are noted.
class EpollTarget {
 public:
  virtual ~EpollTarget() = default;

 private:
  friend class EpollEngine;
  virtual bool note(std::uint32_t events) = 0;  // true when somebody waits for it
  virtual void act() = 0;
};

class EpollConnection final : public EpollTarget {
 public:
  static constexpr bool kSendsAtOnce = true;
  static constexpr std::uint8_t kReceivesPerTurn = 16;  // then others run first: a busy peer holds up nobody
  class Receive;
  class Send;
  class Close;
  EpollConnection(EpollEngine& engine, FileDescriptor socket);
  ~EpollConnection() override;
  EpollConnection(const EpollConnection&) = delete;
  EpollConnection& operator=(const EpollConnection&) = delete;

  Receive receive();
  Send send(BytesView bytes);
  Result<std::size_t> try_send(BytesView bytes);
  void cancel(StopReason reason);
  Close close();

 private:
  bool note(std::uint32_t events) override;
  void act() override;
  int await_room();

  EpollEngine& engine_;
  FileDescriptor socket_;
  Receive* receiving_ = nullptr;
  Send* sending_ = nullptr;
  int register_error_ = 0;
  StopReason cancelled_ = StopReason::kNone;
  std::uint8_t credit_ = kReceivesPerTurn;
  bool readable_ = true;
  bool writable_ = true;
  bool told_of_room_ = false;
  bool hung_up_ = false;  // a short read then does not mean that there is no more: the end is still to be read
};

class EpollConnection::Receive {
 public:
  explicit Receive(EpollConnection& connection) : connection_(connection) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  Result<ReceivedBytes> await_resume();

 private:
  friend class EpollConnection;
  bool attempt();  // true when it ended
  EpollConnection& connection_;
  std::coroutine_handle<> waiter_;
  std::ptrdiff_t result_ = 0;  // bytes, or a negative errno
  std::uint32_t slot_ = 0;
};

class EpollConnection::Send {
 public:
  Send(EpollConnection& connection, BytesView bytes) : connection_(connection), rest_(bytes) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  Result<void> await_resume();

 private:
  friend class EpollConnection;
  bool attempt();
  EpollConnection& connection_;
  BytesView rest_;
  std::coroutine_handle<> waiter_;
  int error_number_ = 0;
};

class EpollConnection::Close {
 public:
  explicit Close(EpollConnection& connection) : connection_(connection) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  void await_resume();

 private:
  EpollConnection& connection_;
};

class EpollIncoming final : public EpollTarget {
 public:
  // Then others run first: a client that calls without pause on new connections leaves one closed connection behind
  // with each, and what is accepted faster than it is closed piles up.
  static constexpr unsigned kAcceptsPerTurn = 16;
  class Next;
  EpollIncoming(EpollEngine& engine, int listener_fd);
  ~EpollIncoming() override;
  EpollIncoming(const EpollIncoming&) = delete;
  EpollIncoming& operator=(const EpollIncoming&) = delete;
  Next next(StopToken stop);
  Task<void> close();  // the listening socket stays its owner's

 private:
  bool note(std::uint32_t events) override;
  void act() override;
  void accept_later();
  EpollEngine& engine_;
  int listener_fd_;
  int register_error_ = 0;
  bool readable_ = true;
  bool open_ = true;
  bool delayed_ = false;  // until the next turn
  unsigned credit_ = kAcceptsPerTurn;
  std::uint64_t turn_ = 0;  // the engine's, in which the credit was given
  Next* waiting_ = nullptr;
};

class EpollIncoming::Next {
 public:
  Next(EpollIncoming& incoming, StopToken stop) : incoming_(incoming), stop_(stop) {}
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  Result<FileDescriptor> await_resume();

 private:
  friend class EpollIncoming;
  bool attempt();
  EpollIncoming& incoming_;
  StopToken stop_;
  std::coroutine_handle<> waiter_;
  std::optional<StopCallback> on_stop_;
  FileDescriptor socket_;
  int error_number_ = 0;
};

class EpollEngine {
 public:
  static constexpr std::size_t kReadBytes = 16u << 10;
  using Connection = EpollConnection;
  using Incoming = EpollIncoming;
  static Result<std::unique_ptr<EpollEngine>> create(Loop& loop);
  ~EpollEngine();  // connections and incoming queues are gone by then
  EpollEngine(const EpollEngine&) = delete;
  EpollEngine& operator=(const EpollEngine&) = delete;

  std::unique_ptr<EpollConnection> adopt(FileDescriptor socket);  // a connected stream socket, in either mode
  Loop& loop() { return loop_; }
  std::size_t users() const { return users_; }

 private:
  friend class EpollConnection;
  friend class EpollConnection::Receive;
  friend class EpollIncoming;
  friend class EpollIncoming::Next;
  struct Attachment;
  EpollEngine(Loop& loop, FileDescriptor epoll);
  int add(int fd, EpollTarget& target);  // 0 or an errno
  int watch_room(int fd, EpollTarget& target);
  void remove(int fd);
  void wait_for_events();
  void pump();
  std::uint32_t take_buffer();
  std::uint8_t* buffer(std::uint32_t slot) { return buffers_[slot].get(); }
  static void release_buffer(void* engine, std::uint32_t slot);
  void act_soon(EpollTarget& target);  // in the next turn of the loop
  void act_delayed();
  void forget(EpollTarget& target);

  Loop& loop_;
  int epoll_fd_;
  std::shared_ptr<Attachment> attachment_;  // outlives the engine until the loop has let go of its handlers
  std::vector<std::unique_ptr<std::uint8_t[]>> buffers_;
  std::vector<std::uint32_t> free_buffers_;
  std::vector<EpollTarget*> noted_;
  std::vector<EpollTarget*> delayed_;
  std::size_t users_ = 0;
  std::uint64_t turn_ = 0;
};

}  // namespace steeple::runtime
