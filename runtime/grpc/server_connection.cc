#include "runtime/grpc/server_connection.h"

#include "runtime/core/secret_bytes.h"

namespace steeple::runtime::grpc {
namespace {

// Streams that are reset before they were answered: work for us, next to none for the peer.
constexpr float kResetsBurst = 1000;
constexpr float kResetsPerSecond = 100;
constexpr std::chrono::seconds kCloseAfterGoaway{1};
constexpr std::chrono::seconds kDrainAfterNotice{1};

http2::Session::Options session_options(const ServerOptions& options) {
  http2::Session::Options chosen;
  chosen.role = http2::Session::Role::kServer;
  chosen.enforce_http_messaging = options.enforce_http_messaging;
  chosen.header_list_bytes_max = options.header_list_bytes_max;
  return chosen;
}

InboundCall& call_of(void* user) { return *static_cast<InboundCall*>(user); }

}  // namespace

ServerConnection::ServerConnection(ServerCore& core, CallPeer peer)
    : core_(core),
      peer_(peer),
      session_(*this, session_options(core.options)),
      tasks_(core.loop),
      resets_(kResetsBurst, kResetsPerSecond) {}

void ServerConnection::start() {
  if (core_.options.observer != nullptr) accepted_ = core_.loop.now();
  set_timer(TimerUse::kPreface, core_.options.setup_timeout);
  if (core_.stopping) begin_stop(core_.stop_status);
  flush_soon();
}

bool ServerConnection::input(BytesView bytes) {
  busy_ = true;
  Result<void> fed = session_.feed(bytes, core_.loop.now());
  settle();
  busy_ = false;
  if (!fed) core_.log.debug("Connection closed", {{"error", fed.error()}});
  return fed && !flooded();
}

bool ServerConnection::flooded() const {
  return session_.unsent_control_frames() > http2::kUnsentControlFramesMax + 4 * std::size_t{call_count_};
}

// --- Calls

void ServerConnection::queue_ready(InboundCall& call) {
  if (call.queued_ready_) return;
  call.queued_ready_ = true;
  call.next_ready_ = nullptr;
  *ready_tail_ = &call;
  ready_tail_ = &call.next_ready_;
}

void ServerConnection::queue_ended(InboundCall& call, StopReason reason) {
  if (call.stop_reason_ == StopReason::kNone) call.stop_reason_ = reason;
  if (call.queued_ended_) return;
  call.queued_ended_ = true;
  call.next_ended_ = ended_calls_;
  ended_calls_ = &call;
}

// Starts and ends handlers. Outside of nghttp2's callbacks, because handlers run from here.
void ServerConnection::settle() {
  while (ready_ != nullptr || ended_calls_ != nullptr) {
    while (InboundCall* call = ready_) {
      ready_ = call->next_ready_;
      if (ready_ == nullptr) ready_tail_ = &ready_;
      call->queued_ready_ = false;
      if (!call->stream_gone_ && !call->status_) start_handler(*call);
    }
    while (InboundCall* call = ended_calls_) {
      ended_calls_ = call->next_ended_;
      call->queued_ended_ = false;
      if (call->running_) {
        call->stop_handler(call->stop_reason_);
      } else if (call->stream_gone_) {
        destroy(*call);
      }
    }
  }
}

void ServerConnection::start_handler(InboundCall& call) {
  call.running_ = true;
  if (!tasks_.spawn(run_handler(this, &call))) {
    call.running_ = false;
    finish(call, Status(StatusCode::kUnavailable, "connection is closing"));
  }
}

Task<void> ServerConnection::run_handler(ServerConnection* connection, InboundCall* call) {
  const ServiceTable::Entry& entry = *call->entry_;
  Status status = co_await entry.method.handler(entry.service, *call);
  connection->handler_ended(*call, std::move(status));
}

void ServerConnection::handler_ended(InboundCall& call, Status status) {
  call.running_ = false;
  bool silent = call.entry_->method.kind == MethodKind::kUnary && status.is_ok() && !call.headers_sent_;
  if (silent) status = Status(StatusCode::kInternal, "the handler sent no answer");
  finish(call, std::move(status));
  if (call.stream_gone_) queue_ended(call, StopReason::kPeerGone);
  flush_soon();
}

void ServerConnection::destroy(InboundCall& call) {
  if (call.previous_) call.previous_->next_ = call.next_;
  if (call.next_) call.next_->previous_ = call.previous_;
  if (calls_ == &call) calls_ = call.next_;
  --call_count_;
  --core_.streams;
  release(call, call.accounted_);
  buffered_output_ -= static_cast<std::uint32_t>(call.out_left());
  bool close = call.close_connection_;
  if (call.entry_ != nullptr && call.began_ != SteadyTime{} && core_.options.observer != nullptr) {
    const StatusCode code = call.status_ ? call.status_->code() : StatusCode::kCancelled;
    core_.options.observer->call_ended(call.entry_->method, code, core_.loop.now() - call.began_);
  }
  delete &call;
  if (senders_wait_) wake_senders();
  if (close && !lost_) session_.terminate(http2::Reason::kNoError);
}

void ServerConnection::on_stream_closed(std::int32_t /*stream*/, void* user, http2::Reason reason) {
  InboundCall& call = call_of(user);
  call.stream_gone_ = true;
  queue_ended(call, call.deadline_.passed(core_.loop.now()) ? StopReason::kDeadline : StopReason::kCallerCancelled);
  bool unanswered = reason != http2::Reason::kNoError && !call.headers_sent_ && !call.status_;
  if (!unanswered || call.stop_reason_ == StopReason::kDeadline || resets_.take(core_.loop.now())) return;
  if (!sent_away_) core_.log.warning("Connection closed: too many streams were opened and reset");
  sent_away_ = true;
  session_.terminate(http2::Reason::kEnhanceYourCalm);
}

// --- Carrying bytes

void ServerConnection::flush_soon() {
  if (!busy_ && !lost_) core_.flush_soon(*this);
}

void ServerConnection::flush(bool inline_first) {
  settle();
  if (lost_ || ended_ || writing_) return;
  bool left = false;
  if (inline_first) {
    left = send_inline();
  } else {
    left = next_output();
  }
  if (ended_) return;
  if (left) {
    writing_ = true;
    start_writer();
  } else {
    end_if_done();
  }
}

// Sends from the shared scratch buffer; what the kernel does not take now is kept in output_. True when something is.
bool ServerConnection::send_inline() {
  for (;;) {
    std::size_t size = fill_scratch();
    if (size == 0) return false;
    BytesView filled(core_.scratch.data(), size);
    Result<std::size_t> sent = try_send(filled);
    if (sent && *sent < size) output_ = to_bytes(filled.subspan(*sent));
    wipe_memory(core_.scratch.data(), size);
    if (!sent) {
      end();
      return false;
    }
    if (!output_.empty()) return true;
  }
}

std::size_t ServerConnection::fill_scratch() {
  Result<std::size_t> filled = session_.fill(core_.scratch);
  settle();
  if (filled) return *filled;
  core_.log.warning("Connection closed", {{"error", filled.error()}});
  end();
  return 0;
}

bool ServerConnection::next_output() {
  if (lost_ || ended_) return false;
  if (!output_.empty()) return true;
  std::size_t size = fill_scratch();
  if (size == 0) return false;
  output_.assign(core_.scratch.begin(), core_.scratch.begin() + static_cast<std::ptrdiff_t>(size));
  wipe_memory(core_.scratch.data(), size);
  return true;
}

void ServerConnection::output_sent(const Result<void>& sent) {
  wipe_memory(output_.data(), output_.size());
  output_.clear();
  if (!sent) end();
}

void ServerConnection::writer_ended() {
  writing_ = false;
  output_ = Bytes();
  end_if_done();
}

void ServerConnection::end() {
  if (ended_) return;
  ended_ = true;
  cancel_io(StopReason::kPeerGone);
}

void ServerConnection::end_if_done() {
  if (timer_use_ != TimerUse::kClose && session_.finished()) end();
}

void ServerConnection::lost(StopReason reason) {
  lost_ = ended_ = true;
  clear_timer();
  for (InboundCall* call = calls_; call; call = call->next_) {
    call->stream_gone_ = true;
    queue_ended(*call, reason);
  }
  settle();
  tasks_.close(reason);
}

// --- Connection-wide rules

void ServerConnection::on_ping() {
  if (pings_.on_ping(core_.loop.now(), call_count_) || sent_away_) return;
  sent_away_ = true;
  core_.log.debug("Connection closed: too many pings");
  session_.goaway(http2::Reason::kEnhanceYourCalm, "too_many_pings");
  set_timer(TimerUse::kClose, kCloseAfterGoaway);
}

void ServerConnection::on_settings() {
  if (timer_use_ != TimerUse::kPreface) return;
  clear_timer();
  if (core_.options.connection_age_max.count() > 0) set_timer(TimerUse::kAge, core_.options.connection_age_max);
}

void ServerConnection::set_timer(TimerUse use, std::chrono::nanoseconds wait) {
  clear_timer();
  timer_use_ = use;
  core_.set_timer(*this, Deadline::after(core_.loop.now(), wait).when());
}

void ServerConnection::clear_timer() {
  timer_use_ = TimerUse::kNone;
  core_.clear_timer(*this);
}

void ServerConnection::on_timer() {
  TimerUse use = std::exchange(timer_use_, TimerUse::kNone);
  if (use == TimerUse::kPreface || use == TimerUse::kClose) return end();
  if (use == TimerUse::kAge) {
    session_.goaway_notice();
    set_timer(TimerUse::kDrain, kDrainAfterNotice);
  } else if (use == TimerUse::kDrain) {
    session_.goaway(http2::Reason::kNoError, "max_age");
  }
  flush(true);
}

void ServerConnection::begin_stop(const Status& status) {
  for (InboundCall* call = calls_; call; call = call->next_) {
    finish(*call, status);
    if (call->running_) queue_ended(*call, StopReason::kShutdown);
  }
  session_.goaway(http2::Reason::kNoError, "");
  flush(true);
}

}  // namespace steeple::runtime::grpc
