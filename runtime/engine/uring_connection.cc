#include <liburing.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "runtime/core/assert.h"
#include "runtime/engine/socket_error.h"
#include "runtime/engine/uring_engine.h"

namespace steeple::runtime {

namespace {
constexpr std::size_t kSendBytesMax = 1u << 30;  // one submission; longer sends go on with the next
}

UringConnection::UringConnection(UringEngine& engine, FileDescriptor socket)
    : engine_(engine), socket_(std::move(socket)) {
  ++engine_.users_;
}

UringConnection::~UringConnection() {
  STEEPLE_ASSERT(receiving_ == nullptr && sending_ == nullptr);
  --engine_.users_;
}

UringConnection::Receive UringConnection::receive() { return Receive(*this); }
UringConnection::Send UringConnection::send(BytesView bytes) { return Send(*this, bytes); }
UringConnection::Close UringConnection::close() { return Close(*this); }

Result<std::size_t> UringConnection::try_send(BytesView bytes) {
  STEEPLE_ASSERT(sending_ == nullptr);
  if (cancelled_ != StopReason::kNone) return stop_error(cancelled_);
  return send_now(socket_.get(), bytes);
}

// The waiters are resumed by the completions of their operations: until then the kernel may use their memory.
void UringConnection::cancel(StopReason reason) {
  STEEPLE_ASSERT(reason != StopReason::kNone);
  if (cancelled_ != StopReason::kNone) return;
  cancelled_ = reason;
  if (sending_ != nullptr) engine_.cancel(*sending_);
  if (receiving_ == nullptr) return;
  if (!receiving_->starved_) {
    engine_.cancel(*receiving_);
    return;
  }
  engine_.unstarve(*receiving_);
  engine_.loop_.resume_soon(std::exchange(receiving_, nullptr)->waiter_);
}

void UringConnection::Receive::await_suspend(std::coroutine_handle<> waiter) {
  STEEPLE_ASSERT(connection_.receiving_ == nullptr && connection_.socket_);
  waiter_ = waiter;
  connection_.receiving_ = this;
  start();
}

void UringConnection::Receive::start() {
  UringEngine& engine = connection_.engine_;
  io_uring_sqe* submission = engine.prepare(this);
  io_uring_prep_recv(submission, connection_.socket_.get(), nullptr, engine.ring_->buffer_bytes(), 0);
  submission->flags |= IOSQE_BUFFER_SELECT;
  submission->buf_group = 0;
  if (!connection_.more_to_read_) submission->ioprio |= IORING_RECVSEND_POLL_FIRST;
}

void UringConnection::Receive::completed(RingOp& op, std::int32_t result, std::uint32_t flags) {
  auto& self = static_cast<Receive&>(op);
  UringConnection& connection = self.connection_;
  UringEngine& engine = connection.engine_;
  if ((flags & IORING_CQE_F_BUFFER) != 0) ++engine.lent_buffers_;
  if (connection.cancelled_ == StopReason::kNone) {
    if (result == -ENOBUFS) {
      connection.more_to_read_ = true;
      return engine.starve(self);
    }
    if (result == -EINTR) return self.start();
  }
  self.result_ = result;
  self.flags_ = flags;
  connection.more_to_read_ =
      (flags & IORING_CQE_F_SOCK_NONEMPTY) != 0 || result == static_cast<std::int32_t>(engine.ring_->buffer_bytes());
  connection.receiving_ = nullptr;
  self.waiter_.resume();
}

Result<ReceivedBytes> UringConnection::Receive::await_resume() {
  UringEngine& engine = connection_.engine_;
  ReceivedBytes received;
  if ((flags_ & IORING_CQE_F_BUFFER) != 0) {
    const std::uint32_t slot = flags_ >> IORING_CQE_BUFFER_SHIFT;
    const std::size_t size = result_ > 0 ? static_cast<std::size_t>(result_) : 0;
    received = ReceivedBytes({engine.ring_->buffer(slot), size}, &UringEngine::release_buffer, &engine, slot);
  }
  if (connection_.cancelled_ != StopReason::kNone) return stop_error(connection_.cancelled_);
  if (result_ < 0) return socket_error("receive", -result_);
  return received;
}

void UringConnection::Send::await_suspend(std::coroutine_handle<> waiter) {
  STEEPLE_ASSERT(connection_.sending_ == nullptr && connection_.socket_);
  waiter_ = waiter;
  connection_.sending_ = this;
  start();
}

void UringConnection::Send::start() {
  io_uring_sqe* submission = connection_.engine_.prepare(this);
  const std::size_t size = std::min(rest_.size(), kSendBytesMax);
  io_uring_prep_send(submission, connection_.socket_.get(), rest_.data(), size, MSG_WAITALL | MSG_NOSIGNAL);
}

void UringConnection::Send::completed(RingOp& op, std::int32_t result, std::uint32_t) {
  auto& self = static_cast<Send&>(op);
  UringConnection& connection = self.connection_;
  if (result > 0) self.rest_ = self.rest_.subspan(static_cast<std::size_t>(result));
  const bool unfinished = result == -EINTR || (result > 0 && !self.rest_.empty());
  if (unfinished && connection.cancelled_ == StopReason::kNone) return self.start();
  self.result_ = result;
  connection.sending_ = nullptr;
  self.waiter_.resume();
}

Result<void> UringConnection::Send::await_resume() {
  if (connection_.cancelled_ != StopReason::kNone) return stop_error(connection_.cancelled_);
  if (result_ < 0) return socket_error("send", -result_);
  return {};
}

void UringConnection::Close::await_resume() {
  STEEPLE_ASSERT(connection_.receiving_ == nullptr && connection_.sending_ == nullptr);
  if (!connection_.socket_) return;
  io_uring_sqe* submission = connection_.engine_.prepare(nullptr);
  io_uring_prep_close(submission, connection_.socket_.release());
  submission->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

}  // namespace steeple::runtime
