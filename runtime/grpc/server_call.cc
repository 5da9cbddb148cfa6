#include "runtime/grpc/server_call.h"

#include "runtime/grpc/server_connection.h"

namespace steeple::runtime::grpc {

struct InboundCall::DeadlineTimer {
  explicit DeadlineTimer(InboundCall& timed)
      : call(timed),
        timeout(call.connection_.core_.loop, call.deadline_, StopToken()),
        expired(timeout.token(), [this](StopReason) { call.connection_.deadline_passed(call); }) {}
  InboundCall& call;
  Timeout timeout;
  StopCallback expired;
};

struct InboundCall::WaitForRoom {
  InboundCall& call;
  std::size_t size;
  bool await_ready() const noexcept {
    if (call.status_ || call.stop_.stop_requested()) return true;
    return !call.out_ && call.connection_.has_room(size);
  }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    STEEPLE_ASSERT(!call.sender_);
    call.sender_ = waiter;
    if (!call.out_) call.connection_.senders_wait_ = true;
  }
  void await_resume() const noexcept {}
};

struct InboundCall::WaitForMessage {
  InboundCall& call;
  bool await_ready() const noexcept {
    return !call.inbox_->messages.empty() || call.inbox_->closed || call.input_ended_ || call.status_ ||
           call.stop_.stop_requested();
  }
  void await_suspend(std::coroutine_handle<> waiter) noexcept {
    STEEPLE_ASSERT(!call.inbox_->receiver);
    call.inbox_->receiver = waiter;
  }
  void await_resume() const noexcept {}
};

InboundCall::InboundCall(ServerConnection& connection, std::int32_t stream)
    : connection_(connection), stream_(stream), head_(std::make_unique<RequestHead>()) {}

InboundCall::~InboundCall() { STEEPLE_ASSERT(!running_); }

const CallPeer& InboundCall::peer() const { return connection_.peer_; }

Task<Result<void>> InboundCall::send(SharedBytes framed) {
  for (;;) {
    WaitForRoom room{*this, framed.size()};
    if (room.await_ready()) break;
    co_await room;
  }
  if (stop_.stop_requested()) co_return stop_.token().error();
  if (status_) co_return Error(ErrorCode::kClosed, "the call has ended");
  connection_.send(*this, std::move(framed));
  co_return Result<void>();
}

Task<Result<std::optional<Bytes>>> InboundCall::receive() {
  if (!inbox_) {
    co_return Error(ErrorCode::kFailedPrecondition, "receive() on a call with one request message");
  }
  for (;;) {
    WaitForMessage message{*this};
    if (message.await_ready()) break;
    co_await message;
  }
  if (stop_.stop_requested()) co_return stop_.token().error();
  if (status_ || inbox_->closed) co_return Error(ErrorCode::kClosed, "the call has ended");
  std::optional<Bytes> next;
  if (!inbox_->messages.empty()) {
    next = std::move(inbox_->messages.front());
    inbox_->messages.pop_front();
    connection_.release_message(*this, kMessagePrefixSize + next->size());
  }
  co_return std::move(next);
}

void InboundCall::stop_receiving() {
  if (!inbox_) return;
  inbox_->closed = true;
  wake_receiver();
}

void InboundCall::stop_handler(StopReason reason) {
  stop_.request_stop(reason);
  wake_sender();
  wake_receiver();
}

void InboundCall::wake_sender() {
  if (sender_) connection_.core_.loop.resume_soon(std::exchange(sender_, {}));
}

void InboundCall::wake_receiver() {
  if (inbox_ && inbox_->receiver) connection_.core_.loop.resume_soon(std::exchange(inbox_->receiver, {}));
}

void ServerConnection::arm_deadline(InboundCall& call) {
  call.deadline_timer_ = std::make_unique<InboundCall::DeadlineTimer>(call);
}

// Called by the timer, which the call owns: the call itself ends later, in settle().
void ServerConnection::deadline_passed(InboundCall& call) {
  if (call.stream_gone_) return;
  reset(call, http2::Reason::kCancel, StopReason::kDeadline);
  flush_soon();
}

}  // namespace steeple::runtime::grpc
