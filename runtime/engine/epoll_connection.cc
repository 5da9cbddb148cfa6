#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "runtime/core/assert.h"
#include "runtime/engine/epoll_engine.h"
#include "runtime/engine/socket_error.h"

namespace steeple::runtime {

EpollConnection::EpollConnection(EpollEngine& engine, FileDescriptor socket)
    : engine_(engine), socket_(std::move(socket)), register_error_(engine.add(socket_.get(), *this)) {
  ++engine_.users_;
}

EpollConnection::~EpollConnection() {
  STEEPLE_ASSERT(receiving_ == nullptr && sending_ == nullptr);
  engine_.forget(*this);
  --engine_.users_;
}

EpollConnection::Receive EpollConnection::receive() { return Receive(*this); }
EpollConnection::Send EpollConnection::send(BytesView bytes) { return Send(*this, bytes); }
EpollConnection::Close EpollConnection::close() { return Close(*this); }

Result<std::size_t> EpollConnection::try_send(BytesView bytes) {
  STEEPLE_ASSERT(sending_ == nullptr);
  if (cancelled_ != StopReason::kNone) return stop_error(cancelled_);
  return send_now(socket_.get(), bytes);
}

void EpollConnection::cancel(StopReason reason) {
  STEEPLE_ASSERT(reason != StopReason::kNone);
  if (cancelled_ != StopReason::kNone) return;
  cancelled_ = reason;
  if (receiving_ != nullptr) engine_.loop_.resume_soon(std::exchange(receiving_, nullptr)->waiter_);
  if (sending_ != nullptr) engine_.loop_.resume_soon(std::exchange(sending_, nullptr)->waiter_);
}

bool EpollConnection::note(std::uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable_ = true;
  return (receiving_ != nullptr && readable_) || (sending_ != nullptr && writable_);
}

// Both waiters are looked up before either runs: what the first one does may end this connection's life.
void EpollConnection::act() {
  std::coroutine_handle<> receiver, sender;
  if (sending_ != nullptr && writable_ && sending_->attempt()) sender = std::exchange(sending_, nullptr)->waiter_;
  if (receiving_ != nullptr && readable_ && receiving_->attempt())
    receiver = std::exchange(receiving_, nullptr)->waiter_;
  if (sender) sender.resume();
  if (receiver) receiver.resume();
}

// Room is asked about once there is none: each time a peer takes bytes there is an event else, and a process that
// sleeps is woken for nothing.
int EpollConnection::await_room() {
  return std::exchange(told_of_room_, true) ? 0 : engine_.watch_room(socket_.get(), *this);
}

bool EpollConnection::Receive::await_ready() {
  STEEPLE_ASSERT(connection_.receiving_ == nullptr && connection_.socket_);
  if (connection_.cancelled_ != StopReason::kNone) return true;
  if (connection_.register_error_ != 0) {
    result_ = -connection_.register_error_;
    return true;
  }
  if (!connection_.readable_) return false;
  if (connection_.credit_ == 0) return false;
  --connection_.credit_;
  return attempt();
}

void EpollConnection::Receive::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  connection_.receiving_ = this;
  connection_.credit_ = kReceivesPerTurn;
  if (connection_.readable_) connection_.engine_.act_soon(connection_);  // out of credit, not of bytes
}

// Edge-triggered: after a short read the next bytes bring an event, but a hang-up noted earlier brings none.
bool EpollConnection::Receive::attempt() {
  EpollEngine& engine = connection_.engine_;
  slot_ = engine.take_buffer();
  do {
    result_ = ::recv(connection_.socket_.get(), engine.buffer(slot_), EpollEngine::kReadBytes, MSG_DONTWAIT);
  } while (result_ < 0 && errno == EINTR);
  if (result_ < 0) result_ = -errno;
  if (result_ <= 0) EpollEngine::release_buffer(&engine, slot_);
  if (result_ == -EAGAIN || result_ == -EWOULDBLOCK) {
    connection_.readable_ = false;
    return false;
  }
  if (result_ > 0 && static_cast<std::size_t>(result_) < EpollEngine::kReadBytes && !connection_.hung_up_) {
    connection_.readable_ = false;
  }
  return true;
}

Result<ReceivedBytes> EpollConnection::Receive::await_resume() {
  EpollEngine& engine = connection_.engine_;
  ReceivedBytes received;
  if (result_ > 0) {
    BytesView bytes(engine.buffer(slot_), static_cast<std::size_t>(result_));
    received = ReceivedBytes(bytes, &EpollEngine::release_buffer, &engine, slot_);
  }
  if (connection_.cancelled_ != StopReason::kNone) return stop_error(connection_.cancelled_);
  if (result_ < 0) return socket_error("receive", static_cast<int>(-result_));
  return received;
}

bool EpollConnection::Send::await_ready() {
  STEEPLE_ASSERT(connection_.sending_ == nullptr && connection_.socket_);
  if (rest_.empty() || connection_.cancelled_ != StopReason::kNone) return true;
  if (connection_.register_error_ != 0) {
    error_number_ = connection_.register_error_;
    return true;
  }
  return connection_.writable_ && attempt();
}

void EpollConnection::Send::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  connection_.sending_ = this;
}

bool EpollConnection::Send::attempt() {
  while (!rest_.empty()) {
    const std::ptrdiff_t sent = send_some(connection_.socket_.get(), rest_);
    if (sent < 0) {
      error_number_ = static_cast<int>(-sent);
      return true;
    }
    if (sent == 0) {
      connection_.writable_ = false;
      error_number_ = connection_.await_room();
      return error_number_ != 0;
    }
    rest_ = rest_.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

Result<void> EpollConnection::Send::await_resume() {
  if (connection_.cancelled_ != StopReason::kNone) return stop_error(connection_.cancelled_);
  if (error_number_ != 0) return socket_error("send", error_number_);
  return {};
}

void EpollConnection::Close::await_resume() {
  STEEPLE_ASSERT(connection_.receiving_ == nullptr && connection_.sending_ == nullptr);
  connection_.engine_.forget(connection_);
  connection_.socket_.reset();  // leaves the epoll set with its last descriptor
}

}  // namespace steeple::runtime
