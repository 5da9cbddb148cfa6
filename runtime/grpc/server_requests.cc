// Requests of a ServerConnection: from headers and DATA to a call that is ready to be handled, or refused.
#include <fmt/format.h>

#include "runtime/core/go_text.h"
#include "runtime/grpc/server_connection.h"

namespace steeple::runtime::grpc {
namespace {

constexpr std::chrono::microseconds kTimeoutMin{1};  // less has passed by the time it is looked at

Status request_missing() {
  return Status(StatusCode::kInternal,
                "cardinality violation: received no request message from non-client-streaming RPC");
}

InboundCall& call_of(void* user) { return *static_cast<InboundCall*>(user); }

}  // namespace

void ServerConnection::on_begin_headers(std::int32_t stream, void* user) {
  if (user != nullptr) return;  // trailers of the client
  const ServerOptions& limits = core_.options;
  if (core_.stopping || call_count_ >= limits.streams_per_connection_max || core_.streams >= limits.streams_max) {
    session_.submit_reset(stream, http2::Reason::kRefusedStream);
    return;
  }
  auto* call = new InboundCall(*this, stream);
  call->next_ = calls_;
  if (calls_) calls_->previous_ = call;
  calls_ = call;
  ++call_count_;
  ++core_.streams;
  session_.set_user(stream, call);
}

void ServerConnection::on_header(std::int32_t /*stream*/, void* user, std::string_view name, std::string_view value) {
  if (call_of(user).head_) call_of(user).head_->add(name, value);
}

void ServerConnection::on_headers(std::int32_t /*stream*/, void* user, bool end_stream, bool too_large) {
  InboundCall& call = call_of(user);
  if (!call.head_) {
    if (end_stream) end_input(call);
    return;
  }
  if (too_large) {
    reset(call, http2::Reason::kFrameSizeError, StopReason::kPeerGone);
  } else {
    accept(call, end_stream);
  }
  call.head_.reset();
}

void ServerConnection::accept(InboundCall& call, bool end_stream) {
  RequestHead& head = *call.head_;
  RequestHead::Verdict verdict = head.check();
  if (!head.other_content_type().empty()) {
    call.content_type_ = std::make_unique<std::string>(head.other_content_type());
  }
  if (verdict == RequestHead::Verdict::kReset) {
    return reset(call, http2::Reason::kProtocolError, StopReason::kPeerGone);
  }
  if (verdict == RequestHead::Verdict::kRefuse) return finish(call, head.refusal(), head.http_status());
  if (head.timeout()) {
    if (*head.timeout() <= kTimeoutMin)
      return finish(call, Status(StatusCode::kDeadlineExceeded, "context deadline exceeded"));
    call.deadline_ = Deadline::in(*head.timeout());
  }
  call.entry_ = core_.table.find(head.path());
  if (call.entry_ == nullptr) return finish(call, core_.table.unknown(head.path()));
  if (core_.options.observer != nullptr) {
    call.began_ = core_.loop.now();
    core_.options.observer->call_began(call.entry_->method);
    if (accepted_ != SteadyTime{}) {
      core_.options.observer->connection_used(call.entry_->method, call.began_ - std::exchange(accepted_, {}));
    }
  }
  if (!head.encoding().empty() && head.encoding() != "identity") {
    return finish(call, Status(StatusCode::kUnimplemented,
                               "grpc: Decompressor is not installed for grpc-encoding " + go_quote(head.encoding())));
  }
  call.metadata_ = head.take_metadata();
  if (!account(call, head.metadata_bytes())) return;
  if (!call.deadline_.is_never()) arm_deadline(call);
  open_method(call, end_stream);
}

void ServerConnection::open_method(InboundCall& call, bool end_stream) {
  const Method& method = call.entry_->method;
  if (method.kind != MethodKind::kUnary && method.admit != nullptr) {
    Status admitted = method.admit(call.entry_->service, call);
    if (!admitted.is_ok()) return finish(call, std::move(admitted));
  }
  if (method.kind == MethodKind::kBidirectional) {
    call.inbox_ = std::make_unique<InboundCall::Inbox>();
    call.input_ended_ = end_stream;
    queue_ready(call);
  }
  // A unary or server-streaming call without any message is not answered before its deadline (endpoints 1.3).
}

void ServerConnection::on_data(std::int32_t stream, void* user, BytesView data) {
  InboundCall& call = call_of(user);
  std::size_t size = data.size();
  bool wanted = call.entry_ != nullptr && !call.status_ && !call.input_ended_;
  // After the only message of a unary call, the rest is of no interest.
  if (wanted && call.has_request_ && call.entry_->method.kind == MethodKind::kUnary) wanted = false;
  if (wanted && account(call, size)) take_data(call, data);
  if (call.inbox_ && !call.inbox_->messages.empty()) {
    call.inbox_->unconsumed += size;  // the handler is behind: the peer waits once its window is used up
  } else {
    session_.consume(stream, size);
  }
}

void ServerConnection::take_data(InboundCall& call, BytesView data) {
  std::size_t size_max = core_.options.request_bytes_max;
  while (!call.status_) {
    MessageReader::Step step = call.reader_.feed(data, size_max);
    if (step == MessageReader::Step::kNeedMore) return;
    if (step == MessageReader::Step::kTooLarge) {
      return finish_early(call, message_too_large(call.reader_.announced_size(), size_max));
    }
    Status flag = check_message_flag(call.reader_.flag());
    if (!flag.is_ok()) return finish_early(call, std::move(flag));
    take_message(call, call.reader_.take());
    if (call.has_request_ && call.entry_->method.kind == MethodKind::kUnary) return;
  }
}

void ServerConnection::take_message(InboundCall& call, Bytes message) {
  switch (call.entry_->method.kind) {
    case MethodKind::kUnary:
      call.set_request(std::move(message));
      return queue_ready(call);
    case MethodKind::kServerStream:
      if (call.has_request_) {
        return finish_early(call, Status(StatusCode::kInternal,
                                         "cardinality violation: received multiple request messages for "
                                         "non-client-streaming RPC"));
      }
      return call.set_request(std::move(message));
    case MethodKind::kBidirectional:
      call.inbox_->messages.push_back(std::move(message));
      return call.wake_receiver();
  }
}

void ServerConnection::on_data_end(std::int32_t /*stream*/, void* user) { end_input(call_of(user)); }

void ServerConnection::end_input(InboundCall& call) {
  if (call.entry_ == nullptr || call.status_ || call.input_ended_) return;
  call.input_ended_ = true;
  MethodKind kind = call.entry_->method.kind;
  if (kind == MethodKind::kUnary) {
    if (!call.has_request_) finish(call, call.reader_.truncated());
    return;
  }
  // The end within a prefix is the end of the messages, as it is between two.
  if (call.reader_.within_message()) return finish_early(call, Status(StatusCode::kInternal, "unexpected EOF"));
  if (kind == MethodKind::kServerStream) {
    return call.has_request_ ? queue_ready(call) : finish_early(call, request_missing());
  }
  call.wake_receiver();
}

bool ServerConnection::account(InboundCall& call, std::size_t bytes) {
  const ServerOptions& limits = core_.options;
  bool fits = buffered_input_ + bytes <= limits.request_bytes_max + limits.buffered_bytes_per_connection_max &&
              core_.buffered_input + bytes <= limits.buffered_request_bytes_max;
  if (!fits) {
    finish_early(call, Status(StatusCode::kResourceExhausted, "too many request bytes wait on this connection"));
    return false;
  }
  call.accounted_ += static_cast<std::uint32_t>(bytes);
  buffered_input_ += static_cast<std::uint32_t>(bytes);
  core_.buffered_input += bytes;
  return true;
}

void ServerConnection::release(InboundCall& call, std::size_t bytes) {
  bytes = std::min<std::size_t>(bytes, call.accounted_);
  call.accounted_ -= static_cast<std::uint32_t>(bytes);
  buffered_input_ -= static_cast<std::uint32_t>(bytes);
  core_.buffered_input -= bytes;
}

void ServerConnection::release_message(InboundCall& call, std::size_t bytes) {
  release(call, bytes);
  if (!call.inbox_->messages.empty() || call.inbox_->unconsumed == 0) return;
  session_.consume(call.stream_, std::exchange(call.inbox_->unconsumed, 0));
  flush_soon();
}

}  // namespace steeple::runtime::grpc
