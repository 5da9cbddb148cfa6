#include <fcntl.h>
#include <liburing.h>
#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <cerrno>

#include "runtime/core/assert.h"
#include "runtime/engine/socket_error.h"
#include "runtime/engine/uring_engine.h"

namespace steeple::runtime {

// io_uring does not wait on a non-blocking socket: it would answer EAGAIN at once.
UringIncoming::UringIncoming(UringEngine& engine, int listener_fd)
    : RingOp(&completed), engine_(engine), listener_fd_(listener_fd) {
  const int flags = ::fcntl(listener_fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) ::fcntl(listener_fd, F_SETFL, flags & ~O_NONBLOCK);
  ++engine_.users_;
}

UringIncoming::~UringIncoming() {
  STEEPLE_ASSERT(!armed_ && waiting_ == nullptr);
  if (delayed_) *delayed_ = nullptr;
  --engine_.users_;
}

UringIncoming::Next UringIncoming::next(StopToken stop) { return Next(*this, stop); }

void UringIncoming::start() {
  io_uring_sqe* submission = engine_.prepare(this);
  io_uring_prep_multishot_accept(submission, listener_fd_, nullptr, nullptr, SOCK_CLOEXEC);
  armed_ = true;
  pausing_ = false;
}

void UringIncoming::pause() {
  if (!armed_ || std::exchange(pausing_, true)) return;
  engine_.cancel(*this);
}

bool UringIncoming::spend() {
  if (std::exchange(turn_, engine_.turn_) != engine_.turn_) credit_ = kAcceptsPerTurn;
  return credit_ != 0 && credit_-- != 0;
}

void UringIncoming::accept_later() {
  if (delayed_) return;
  delayed_ = std::make_shared<UringIncoming*>(this);
  boost::asio::post(engine_.loop_.io(), [delayed = delayed_] {
    UringIncoming* self = *delayed;
    if (self == nullptr) return;
    self->delayed_.reset();
    self->credit_ = kAcceptsPerTurn;
    if (self->waiting_ == nullptr || !self->has_next()) return;
    --self->credit_;
    std::exchange(self->waiting_, nullptr)->waiter_.resume();
  });
}

// The kernel may hand out a whole backlog at once, and with it the last descriptors.
void UringIncoming::take(FileDescriptor socket) {
  if (is_kept_back(socket.get())) {
    pause();
    if (sockets_.size() >= kKeptBackMax) {
      error_number_ = EMFILE;
      return;
    }
  }
  sockets_.push_back(std::move(socket));
}

void UringIncoming::completed(RingOp& op, std::int32_t result, std::uint32_t flags) {
  auto& self = static_cast<UringIncoming&>(op);
  if ((flags & IORING_CQE_F_MORE) == 0) self.armed_ = false;
  if (result >= 0) {
    self.take(FileDescriptor(result));
  } else if (result != -ECANCELED && !concerns_one_connection(-result)) {
    self.error_number_ = -result;
  }
  if (self.closer_) {
    if (!self.armed_) self.engine_.loop_.resume_soon(std::exchange(self.closer_, {}));
    return;
  }
  if (self.sockets_.size() >= kQueueMax) self.pause();
  if (self.waiting_ == nullptr) return;
  if (!self.has_next()) {
    if (!self.armed_) self.start();
  } else if (!self.delayed_) {
    if (!self.spend()) return self.accept_later();
    std::exchange(self.waiting_, nullptr)->waiter_.resume();
  }
}

Task<void> UringIncoming::close() {
  struct Disarmed {
    UringIncoming& incoming;
    bool await_ready() const noexcept { return !incoming.armed_; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { incoming.closer_ = waiter; }
    void await_resume() const noexcept {}
  };
  STEEPLE_ASSERT(waiting_ == nullptr);
  pause();
  Disarmed disarmed{*this};
  co_await disarmed;
  sockets_.clear();
}

bool UringIncoming::Next::await_ready() {
  return stop_.stop_requested() || (incoming_.has_next() && incoming_.spend());
}

void UringIncoming::Next::await_suspend(std::coroutine_handle<> waiter) {
  STEEPLE_ASSERT(incoming_.waiting_ == nullptr && !incoming_.closer_);
  waiter_ = waiter;
  incoming_.waiting_ = this;
  if (incoming_.has_next()) {
    incoming_.accept_later();  // out of credit, not of connections
  } else if (!incoming_.armed_) {
    incoming_.start();
  }
  on_stop_.emplace(stop_, [this](StopReason) {
    if (incoming_.waiting_ != this) return;
    incoming_.waiting_ = nullptr;
    incoming_.engine_.loop_.resume_soon(waiter_);
  });
}

Result<FileDescriptor> UringIncoming::Next::await_resume() {
  on_stop_.reset();
  if (stop_.stop_requested()) return stop_.error();
  if (!incoming_.sockets_.empty()) {
    FileDescriptor socket = std::move(incoming_.sockets_.front());
    incoming_.sockets_.pop_front();
    return socket;
  }
  return accept_error(std::exchange(incoming_.error_number_, 0));
}

}  // namespace steeple::runtime
