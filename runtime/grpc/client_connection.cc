#include "runtime/grpc/client_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "runtime/core/go_text.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::runtime::grpc {
namespace {

constexpr std::int32_t kWindowBytes = 1 << 20;
constexpr std::size_t kHeaderListBytesMax = 256 << 10;
constexpr std::size_t kOutputBytes = 64 << 10;

http2::Session::Options session_options() {
  http2::Session::Options chosen;
  chosen.role = http2::Session::Role::kClient;
  chosen.enforce_http_messaging = true;
  chosen.header_list_bytes_max = kHeaderListBytesMax;
  chosen.window_bytes = kWindowBytes;
  return chosen;
}

OutboundCall& call_of(void* user) { return *static_cast<OutboundCall*>(user); }

}  // namespace

ClientConnection::ClientConnection(Loop& loop, std::unique_ptr<Transport> transport, const ChannelOptions& options)
    : loop_(loop),
      transport_(std::move(transport)),
      message_size_max_(options.message_size_max),
      authority_(options.authority),
      user_agent_(options.user_agent),
      session_(*this, session_options()),
      tasks_(loop),
      output_(loop),
      changed_(loop) {}

ClientConnection::~ClientConnection() { STEEPLE_ASSERT(calls_.empty()); }

Task<void> ClientConnection::run(std::shared_ptr<ClientConnection> self) {
  self->tasks_.spawn(write_all(self.get()));
  self->output_.notify();
  co_await self->read();
  self->transport_->cancel(StopReason::kPeerGone);
  self->tasks_.close(StopReason::kPeerGone);
  co_await self->tasks_.join();
  co_await self->transport_->close();
}

Task<void> ClientConnection::read() {
  while (!end_) {
    Result<ReceivedBytes> received = co_await transport_->receive();
    if (end_) co_return;
    if (!received) co_return lost(fmt::format("error reading from server: {}", received.error().message()));
    if (received->end_of_stream()) co_return lost("error reading from server: EOF");
    Result<void> fed = session_.feed(received->view(), loop_.now());
    received = ReceivedBytes();
    if (!fed) co_return lost(fed.error().message());
    output_.notify();
    if (session_.finished() || drained()) co_return lost("connection closed after GOAWAY");
  }
}

Task<void> ClientConnection::write_all(ClientConnection* self) {
  StopToken stop = self->tasks_.token();
  while (co_await self->output_.wait(Deadline::never(), stop)) {
    Bytes buffer(kOutputBytes);
    for (;;) {
      Result<std::size_t> filled = self->session_.fill(buffer);
      std::string failure;
      if (!filled) {
        failure = filled.error().message();
      } else if (*filled == 0) {
        break;
      } else {
        Result<void> sent = co_await self->transport_->send({buffer.data(), *filled});
        wipe_memory(buffer.data(), *filled);  // join tokens and the like
        if (!sent) failure = "error writing to server: " + sent.error().message();
      }
      if (failure.empty()) continue;
      self->lost(failure);
      co_return;
    }
    if (self->session_.finished()) self->lost("connection closed after GOAWAY");
  }
}

Task<Result<void>> ClientConnection::ready(Deadline deadline, StopToken stop) {
  while (!session_.has_peer_settings()) {
    if (end_) co_return Error(ErrorCode::kUnavailable, end_->message());
    Result<void> waited = co_await changed_.wait(deadline, stop);
    if (!waited && !session_.has_peer_settings() && !end_) co_return std::move(waited.error());
  }
  co_return Result<void>();
}

bool ClientConnection::usable() const {
  return !end_ && !goaway_ && session_.has_peer_settings() && session_.can_open_stream();
}

void ClientConnection::shut_down(Status status) {
  if (end_) return;
  end_ = std::move(status);
  for (OutboundCall* call : std::exchange(calls_, {})) {
    call->stream_ = 0;
    call->end(*end_);
  }
  changed_.notify();
  transport_->cancel(StopReason::kShutdown);
}

void ClientConnection::lost(std::string_view cause) {
  std::string text(cause);
  if (session_.has_peer_settings()) {
    if (!goaway_text_.empty()) {
      text = fmt::format("closing transport due to: connection error: desc = {}, received prior goaway: {}",
                         go_quote(text), goaway_text_);
    }
  } else if (text.starts_with("error reading from server: ")) {
    text = "error reading server preface: " + text.substr(std::string_view("error reading from server: ").size());
  }
  shut_down(Status(StatusCode::kUnavailable, std::move(text)));
}

void ClientConnection::attach(OutboundCall& call) { calls_.push_back(&call); }

void ClientConnection::detach(OutboundCall& call) {
  std::erase(calls_, &call);
  call.stream_ = 0;
  if (drained()) output_.notify();
}

void ClientConnection::on_goaway(std::int32_t /*last_stream*/, http2::Reason reason, BytesView debug) {
  goaway_ = true;
  goaway_text_ = fmt::format("code: {}", to_string(reason));
  if (!debug.empty()) goaway_text_ += fmt::format(", debug data: {}", go_quote(as_text(debug)));
}

void ClientConnection::on_header(std::int32_t /*stream*/, void* user, std::string_view name, std::string_view value) {
  call_of(user).head_.add(name, value);
}

void ClientConnection::on_headers(std::int32_t /*stream*/, void* user, bool end_stream, bool too_large) {
  OutboundCall& call = call_of(user);
  if (too_large) return call.end_and_reset(Status(StatusCode::kInternal, "peer header list size exceeded limit"));
  std::optional<Status> status = call.head_.block_ended(end_stream);
  if (!status) return;
  if (!end_stream) return call.end_and_reset(std::move(*status));
  if (status->is_ok() && !call.reader_.at_boundary()) status = Status(StatusCode::kInternal, "unexpected EOF");
  call.end(std::move(*status));
}

void ClientConnection::on_data(std::int32_t stream, void* user, BytesView data) {
  OutboundCall& call = call_of(user);
  call.take_data(data);
  if (call.messages_.empty()) {
    session_.consume(stream, data.size());
  } else {
    call.unconsumed_ += data.size();
  }
}

void ClientConnection::on_data_end(std::int32_t /*stream*/, void* user) {
  call_of(user).end(Status(StatusCode::kInternal, "server closed the stream without sending trailers"));
}

void ClientConnection::on_stream_closed(std::int32_t stream, void* user, http2::Reason reason) {
  OutboundCall& call = call_of(user);
  if (!call.status_ && reason == http2::Reason::kRefusedStream) call.not_processed_ = true;
  session_.set_user(stream, nullptr);
  detach(call);
  call.end(status_of_reset(reason, call.deadline_.passed(loop_.now())));
}

http2::SessionHandler::DataPlan ClientConnection::plan_data(std::int32_t /*stream*/, void* user, std::size_t size_max) {
  OutboundCall& call = call_of(user);
  std::size_t left = call.out_.size() - call.out_offset_;
  DataPlan plan;
  plan.size = std::min(left, size_max);
  plan.end = call.half_closed_ && plan.size == left;
  return plan;
}

void ClientConnection::write_data(std::int32_t /*stream*/, void* user, std::uint8_t* out, std::size_t size) {
  OutboundCall& call = call_of(user);
  std::memcpy(out, call.out_.view().data() + call.out_offset_, size);
  call.out_offset_ += size;
  if (call.out_offset_ != call.out_.size()) return;
  call.out_ = SharedBytes();
  call.out_offset_ = 0;
  call.sent_.notify();
}

}  // namespace steeple::runtime::grpc
