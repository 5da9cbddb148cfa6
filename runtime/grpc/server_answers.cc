// The answers of a server's connection: what a handler sends, until the session takes it.
#include <cstring>

#include "runtime/grpc/server_connection.h"

namespace steeple::runtime::grpc {

bool ServerConnection::has_room(std::size_t bytes) const {
  return buffered_output_ == 0 || buffered_output_ + bytes <= core_.options.buffered_bytes_per_connection_max;
}

void ServerConnection::send(InboundCall& call, SharedBytes framed) {
  if (call.stream_gone_ || framed.empty()) return;
  buffered_output_ += static_cast<std::uint32_t>(framed.size());
  call.out_ = std::move(framed);
  call.out_offset_ = 0;
  if (call.headers_sent_) {
    session_.resume(call.stream_);
  } else {
    call.headers_sent_ = true;
    AnswerHeaders headers;
    headers.add_head(200, call.content_type_.get());
    session_.submit_response(call.stream_, headers.view(), true);
  }
  flush_soon();
}

void ServerConnection::finish(InboundCall& call, Status status, int http_status) {
  if (call.status_ || call.stream_gone_) return;
  call.status_ = std::make_unique<Status>(std::move(status));
  if (call.headers_sent_) {
    session_.resume(call.stream_);
  } else {
    AnswerHeaders headers;
    headers.add_head(http_status, call.content_type_.get());
    headers.add_status(*call.status_);
    session_.submit_response(call.stream_, headers.view(), false);
  }
}

// Ends a call whose handler may be running.
void ServerConnection::finish_early(InboundCall& call, Status status) {
  finish(call, std::move(status));
  if (call.running_) queue_ended(call, StopReason::kFailure);
}

void ServerConnection::reset(InboundCall& call, http2::Reason reason, StopReason stop) {
  session_.submit_reset(call.stream_, reason);
  if (!call.status_) call.status_ = std::make_unique<Status>(StatusCode::kCancelled, "reset");
  queue_ended(call, stop);
}

http2::SessionHandler::DataPlan ServerConnection::plan_data(std::int32_t stream, void* user, std::size_t size_max) {
  InboundCall& call = *static_cast<InboundCall*>(user);
  DataPlan plan;
  plan.size = std::min(call.out_left(), size_max);
  plan.end = call.status_ && plan.size == call.out_left();
  if (!plan.end) return plan;
  plan.trailers = true;
  AnswerHeaders trailers;
  trailers.add_status(*call.status_);
  session_.submit_trailers(stream, trailers.view());
  return plan;
}

void ServerConnection::write_data(std::int32_t /*stream*/, void* user, std::uint8_t* out, std::size_t size) {
  InboundCall& call = *static_cast<InboundCall*>(user);
  std::memcpy(out, call.out_.view().data() + call.out_offset_, size);
  call.out_offset_ += static_cast<std::uint32_t>(size);
  buffered_output_ -= static_cast<std::uint32_t>(size);
  if (call.out_left() != 0) return;
  call.out_ = SharedBytes();
  call.out_offset_ = 0;
  call.wake_sender();
  if (senders_wait_) wake_senders();
}

void ServerConnection::wake_senders() {
  senders_wait_ = false;
  for (InboundCall* call = calls_; call; call = call->next_) {
    if (!call->out_) call->wake_sender();
  }
}

}  // namespace steeple::runtime::grpc
