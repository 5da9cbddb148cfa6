#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>

#include "runtime/core/assert.h"
#include "runtime/engine/epoll_engine.h"
#include "runtime/engine/socket_error.h"

namespace steeple::runtime {

EpollIncoming::EpollIncoming(EpollEngine& engine, int listener_fd) : engine_(engine), listener_fd_(listener_fd) {
  const int flags = ::fcntl(listener_fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(listener_fd, F_SETFL, flags | O_NONBLOCK);
  register_error_ = engine_.add(listener_fd, *this);
  ++engine_.users_;
}

EpollIncoming::~EpollIncoming() {
  STEEPLE_ASSERT(waiting_ == nullptr);
  if (open_) engine_.remove(listener_fd_);
  engine_.forget(*this);
  --engine_.users_;
}

EpollIncoming::Next EpollIncoming::next(StopToken stop) { return Next(*this, stop); }

Task<void> EpollIncoming::close() {
  STEEPLE_ASSERT(waiting_ == nullptr);
  if (std::exchange(open_, false)) engine_.remove(listener_fd_);
  co_return;
}

bool EpollIncoming::note(std::uint32_t) {
  readable_ = true;
  return waiting_ != nullptr && !delayed_;
}

void EpollIncoming::act() {
  if (std::exchange(delayed_, false) || turn_ != engine_.turn_) credit_ = kAcceptsPerTurn;
  turn_ = engine_.turn_;
  if (waiting_ == nullptr || !readable_) return;
  if (credit_ == 0) return accept_later();
  --credit_;
  if (waiting_->attempt()) std::exchange(waiting_, nullptr)->waiter_.resume();
}

void EpollIncoming::accept_later() {
  if (!std::exchange(delayed_, true)) engine_.act_soon(*this);
}

bool EpollIncoming::Next::await_ready() {
  STEEPLE_ASSERT(incoming_.waiting_ == nullptr && incoming_.open_);
  if (stop_.stop_requested()) return true;
  if (incoming_.register_error_ != 0) {
    error_number_ = incoming_.register_error_;
    return true;
  }
  if (!incoming_.readable_ || incoming_.credit_ == 0) return false;
  --incoming_.credit_;
  return attempt();
}

void EpollIncoming::Next::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  incoming_.waiting_ = this;
  if (incoming_.readable_) incoming_.accept_later();  // out of credit, not of connections
  on_stop_.emplace(stop_, [this](StopReason) {
    if (incoming_.waiting_ != this) return;
    incoming_.waiting_ = nullptr;
    incoming_.engine_.loop().resume_soon(waiter_);
  });
}

bool EpollIncoming::Next::attempt() {
  for (;;) {
    socket_ = FileDescriptor(::accept4(incoming_.listener_fd_, nullptr, nullptr, SOCK_CLOEXEC));
    if (socket_) return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      incoming_.readable_ = false;
      return false;
    }
    if (concerns_one_connection(errno)) continue;
    error_number_ = errno;
    return true;
  }
}

Result<FileDescriptor> EpollIncoming::Next::await_resume() {
  on_stop_.reset();
  if (stop_.stop_requested()) return stop_.error();
  if (error_number_ != 0) return accept_error(error_number_);
  return std::move(socket_);
}

}  // namespace steeple::runtime
