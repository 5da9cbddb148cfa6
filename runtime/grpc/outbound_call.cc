// Calls of a ClientConnection.
#include <fmt/format.h>

#include "runtime/core/go_text.h"
#include "runtime/grpc/call.h"
#include "runtime/grpc/client_connection.h"

namespace steeple::runtime::grpc {

OutboundCall::OutboundCall(std::shared_ptr<ClientConnection> connection, const std::string& path,
                           const CallOptions& options)
    : connection_(std::move(connection)),
      sent_(connection_->loop_),
      arrived_(connection_->loop_),
      deadline_(options.deadline),
      timeout_(connection_->loop_, options.deadline, options.stop),
      on_stop_(timeout_.token(), [this](StopReason reason) { stopped(reason); }) {
  if (!status_) open(path, options);
}

OutboundCall::~OutboundCall() {
  if (stream_ == 0) return;
  connection_->session_.set_user(stream_, nullptr);
  connection_->session_.submit_reset(stream_, http2::Reason::kCancel);
  connection_->detach(*this);
  connection_->output_.notify();
}

void OutboundCall::open(const std::string& path, const CallOptions& options) {
  if (connection_->end_) return end(*connection_->end_);
  std::string timeout;
  std::vector<std::string> encoded;
  encoded.reserve(options.metadata.entries().size());
  std::vector<http2::Header> headers;
  headers.emplace_back(":method", "POST", true);
  bool tls = !connection_->transport_->peer_certificates().empty();
  headers.emplace_back(":scheme", tls ? "https" : "http", true);
  headers.emplace_back(":path", path);
  headers.emplace_back(":authority", connection_->authority_);
  headers.emplace_back("content-type", "application/grpc", true);
  headers.emplace_back("user-agent", connection_->user_agent_);
  headers.emplace_back("te", "trailers", true);
  if (!options.deadline.is_never()) {
    timeout = format_grpc_timeout(options.deadline.left(connection_->loop_.now()));
    headers.emplace_back("grpc-timeout", timeout);
  }
  for (const auto& [name, value] : options.metadata.entries()) {
    bool binary = name.ends_with("-bin");
    if (binary) encoded.push_back(base64_encode(as_bytes(value), false));
    headers.emplace_back(name, binary ? encoded.back() : value);
  }
  Result<std::int32_t> stream = connection_->session_.submit_request(headers, this);
  if (!stream) {
    not_processed_ = true;
    return end(Status(StatusCode::kUnavailable, stream.error().message()));
  }
  stream_ = *stream;
  connection_->attach(*this);
  connection_->output_.notify();
}

void OutboundCall::end(Status status) {
  if (status_) return;
  status_ = std::move(status);
  sent_.notify();
  arrived_.notify();
}

// Ends a call that the server has not ended.
void OutboundCall::end_and_reset(Status status) {
  end(std::move(status));
  if (stream_ == 0) return;
  connection_->session_.submit_reset(stream_, http2::Reason::kCancel);
  connection_->output_.notify();
}

void OutboundCall::stopped(StopReason reason) {
  bool deadline = reason == StopReason::kDeadline;
  end_and_reset(deadline ? Status(StatusCode::kDeadlineExceeded, "context deadline exceeded")
                         : Status(StatusCode::kCancelled, "context canceled"));
}

Task<Result<void, Status>> OutboundCall::send(BytesView message) {
  while (out_ && !status_) (void)co_await sent_.wait(Deadline::never(), StopToken());
  if (status_ && !status_->is_ok()) co_return *status_;
  if (status_ || half_closed_) co_return Status(StatusCode::kInternal, "send after the end of the stream");
  if (message.size() > 0xffffffffu) co_return Status(StatusCode::kResourceExhausted, "grpc: message too large");
  out_ = make_message(message, true);
  connection_->session_.resume(stream_);
  connection_->output_.notify();
  co_return Result<void, Status>();
}

void OutboundCall::half_close() {
  half_closed_ = true;
  if (stream_ == 0) return;
  connection_->session_.resume(stream_);
  connection_->output_.notify();
}

Task<Result<std::optional<Bytes>, Status>> OutboundCall::receive() {
  while (messages_.empty() && !status_) (void)co_await arrived_.wait(Deadline::never(), StopToken());
  if (messages_.empty()) {
    if (!status_->is_ok()) co_return *status_;
    co_return std::optional<Bytes>();
  }
  std::optional<Bytes> message = std::move(messages_.front());
  messages_.pop_front();
  if (messages_.empty() && unconsumed_ != 0 && stream_ != 0) {
    connection_->session_.consume(stream_, std::exchange(unconsumed_, 0));
    connection_->output_.notify();
  }
  co_return std::move(message);
}

void OutboundCall::take_data(BytesView data) {
  std::size_t size_max = connection_->message_size_max_;
  while (!status_) {
    MessageReader::Step step = reader_.feed(data, size_max);
    if (step == MessageReader::Step::kNeedMore) return;
    if (step == MessageReader::Step::kTooLarge) {
      return end_and_reset(message_too_large(reader_.announced_size(), size_max));
    }
    bool encoded = reader_.flag() == 1 && !head_.encoding().empty() && head_.encoding() != "identity";
    if (encoded) {
      return end_and_reset(Status(StatusCode::kInternal, "grpc: Decompressor is not installed for grpc-encoding " +
                                                             go_quote(head_.encoding())));
    }
    Status flag = check_message_flag(reader_.flag());
    if (!flag.is_ok()) return end_and_reset(std::move(flag));
    messages_.push_back(reader_.take());
    arrived_.notify();
  }
}

}  // namespace steeple::runtime::grpc
