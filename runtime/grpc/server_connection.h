// The server's side of one HTTP/2 connection: requests in, handlers started, answers out. Knows no socket: the template
// in server_stream.h carries the bytes. One per connection, in the frame of Server::serve(). I/O thread only. Rules:
// endpoints 1.3 and golden/grpc. Limits: ServerOptions; beyond them streams are refused, calls are ended, and a peer
// that floods is sent away with GOAWAY.
#pragma once

#include "runtime/grpc/answer_headers.h"
#include "runtime/grpc/server_call.h"
#include "runtime/grpc/server_core.h"
#include "runtime/http2/ping_policy.h"
#include "runtime/http2/session.h"
#include "runtime/task/task_group.h"

namespace steeple::runtime::grpc {

class ServerConnection : private http2::SessionHandler {
 public:
  ServerConnection(ServerCore& core, CallPeer peer);
  ServerConnection(const ServerConnection&) = delete;
  ServerConnection& operator=(const ServerConnection&) = delete;

  // Carrying bytes: what the reader and the writer call.
  void start();  // SETTINGS go out in this turn of the loop, with the first answer if it is there by then
  bool input(BytesView bytes);  // false: close the connection
  void flush(bool inline_first);
  bool ended() const { return ended_; }
  void lost(StopReason reason);     // no more input or output: every call ends
  void settle_last() { settle(); }  // after the join: the last calls are freed

  // From the core.
  void on_timer();
  void begin_stop(const Status& status);
  void cut() { end(); }

  TaskGroup& tasks() { return tasks_; }

 protected:
  ~ServerConnection() { STEEPLE_ASSERT(calls_ == nullptr); }

  virtual void start_writer() = 0;
  virtual Result<std::size_t> try_send(BytesView bytes) = 0;
  virtual void cancel_io(StopReason reason) = 0;

  bool next_output();  // the writer: something to send in output()?
  BytesView output() const { return output_; }
  void output_sent(const Result<void>& sent);
  void writer_ended();

 private:
  friend class InboundCall;
  friend class ServerCore;
  enum class TimerUse : std::uint8_t { kNone, kPreface, kAge, kDrain, kClose };

  void on_begin_headers(std::int32_t stream, void* user) override;
  void on_header(std::int32_t stream, void* user, std::string_view name, std::string_view value) override;
  void on_headers(std::int32_t stream, void* user, bool end_stream, bool too_large) override;
  void on_data(std::int32_t stream, void* user, BytesView data) override;
  void on_data_end(std::int32_t stream, void* user) override;
  void on_stream_closed(std::int32_t stream, void* user, http2::Reason reason) override;
  DataPlan plan_data(std::int32_t stream, void* user, std::size_t size_max) override;
  void write_data(std::int32_t stream, void* user, std::uint8_t* out, std::size_t size) override;
  void on_answer_sent() override { pings_.on_answer_sent(); }
  void on_ping() override;
  void on_settings() override;

  // Requests (server_requests.cc).
  void accept(InboundCall& call, bool end_stream);
  void open_method(InboundCall& call, bool end_stream);
  void arm_deadline(InboundCall& call);
  void take_data(InboundCall& call, BytesView data);
  void take_message(InboundCall& call, Bytes message);
  void end_input(InboundCall& call);
  bool account(InboundCall& call, std::size_t bytes);
  void release(InboundCall& call, std::size_t bytes);
  void release_message(InboundCall& call, std::size_t bytes);
  void deadline_passed(InboundCall& call);

  // Calls (server_connection.cc).
  void queue_ready(InboundCall& call);
  void queue_ended(InboundCall& call, StopReason reason);
  void settle();
  void start_handler(InboundCall& call);
  static Task<void> run_handler(ServerConnection* connection, InboundCall* call);
  void handler_ended(InboundCall& call, Status status);
  void destroy(InboundCall& call);

  // Answers (server_answers.cc).
  bool has_room(std::size_t bytes) const;
  void send(InboundCall& call, SharedBytes framed);
  void finish(InboundCall& call, Status status, int http_status = 200);
  void finish_early(InboundCall& call, Status status);
  void reset(InboundCall& call, http2::Reason reason, StopReason stop);
  void wake_senders();

  // Carrying bytes and connection-wide rules (server_connection.cc).
  void flush_soon();
  bool send_inline();
  std::size_t fill_scratch();
  void end();
  void end_if_done();
  void set_timer(TimerUse use, std::chrono::nanoseconds wait);
  void clear_timer();
  bool flooded() const;

  ServerCore& core_;
  CallPeer peer_;
  http2::Session session_;
  SteadyTime accepted_{};  // until its first call, where there is an observer
  TaskGroup tasks_;
  InboundCall* calls_ = nullptr;
  InboundCall* ready_ = nullptr;
  InboundCall** ready_tail_ = &ready_;
  InboundCall* ended_calls_ = nullptr;
  Bytes output_;
  std::size_t index_ = 0;  // in the core's list
  ServerCore::Timers::iterator timer_;
  http2::PingPolicy pings_;
  http2::TokenBucket resets_;
  std::uint32_t call_count_ = 0;
  std::uint32_t buffered_input_ = 0;
  std::uint32_t buffered_output_ = 0;
  TimerUse timer_use_ = TimerUse::kNone;
  bool timer_set_ = false;
  bool busy_ = false;     // a flush follows anyway
  bool dirty_ = false;    // in the core's list of those to flush
  bool writing_ = false;  // the writer runs
  bool ended_ = false;    // nothing more to carry
  bool lost_ = false;
  bool senders_wait_ = false;  // for room in buffered_output_
  bool sent_away_ = false;     // GOAWAY for abuse
};

}  // namespace steeple::runtime::grpc
