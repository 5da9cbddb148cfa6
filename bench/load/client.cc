#include "bench/load/client.h"

#include <sys/socket.h>

#include <cerrno>

#include "bench/load/client_state.h"

namespace steeple::bench {

Client::Client() : state_(std::make_unique<State>()) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

int Client::fd() const { return state_->fd; }
std::uint64_t Client::pushes() const { return state_->messages == 0 ? 0 : state_->messages - 1; }
std::size_t Client::message_bytes() const { return state_->message_bytes; }
const std::string& Client::failure() const { return state_->failure; }
const std::string& Client::grpc_status() const { return state_->grpc_status; }

Started Client::start(const std::string& socket_path, const CallShape& call) {
  state_ = std::make_unique<State>();
  state_->call = &call;
  bool backlog_full = false;
  if (!state_->connect(socket_path, backlog_full)) return backlog_full ? Started::kBacklogFull : Started::kFailed;
  state_->open_session();
  return state_->open_stream() ? Started::kYes : Started::kFailed;
}

bool Client::start_again() {
  if (state_->grpc_status.empty())
    nghttp2_submit_rst_stream(state_->session, NGHTTP2_FLAG_NONE, state_->stream, NGHTTP2_CANCEL);
  return state_->open_stream();
}

Progress Client::on_readable() { return state_->receive() ? state_->judge() : Progress::kFailed; }

// Takes what the socket has; false with `failure`.
bool Client::State::receive() {
  thread_local std::uint8_t buffer[64 << 10];
  for (;;) {
    ssize_t size = ::recv(fd, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN) break;
    if (size <= 0) return fail("connection closed by the agent", size < 0 ? errno : ECONNRESET);
    ssize_t used = nghttp2_session_mem_recv(session, buffer, static_cast<std::size_t>(size));
    if (used != size || !flush()) {
      if (failure.empty()) failure = "HTTP/2 error";
      return false;
    }
    if (static_cast<std::size_t>(size) < sizeof buffer) break;
  }
  return failure.empty();
}

// What the call has come to.
Progress Client::State::judge() {
  const bool ended = !grpc_status.empty();
  if (!call->refusal.empty()) {
    if (ended && grpc_status == call->refusal) return Progress::kAnswered;
    if (ended) failure = "the call ended with grpc-status " + grpc_status + " " + grpc_message;
    if (messages != 0) failure = "an answer where a refusal is due";
    return failure.empty() && !ended ? Progress::kWaiting : Progress::kFailed;
  }
  if (ended && (grpc_status != "0" || !call->unary)) {
    failure = "the call ended with grpc-status " + grpc_status + " " + grpc_message;
    return Progress::kFailed;
  }
  if (messages == 0 || (call->unary && !ended)) return Progress::kWaiting;
  if (!saw_expected) {
    failure = "the answer does not hold \"" + call->expect + "\"";
    return Progress::kFailed;
  }
  return Progress::kAnswered;
}

}  // namespace steeple::bench
