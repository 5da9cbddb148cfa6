// The client's side of one HTTP/2 connection over a Transport, and the calls on it. Shared by the channel that made it
// and by its calls; run() carries the bytes until the connection ends. I/O thread only. Limits: a message's size (the
// channel's option), unread messages by the stream's window.
#pragma once

#include <deque>
#include <memory>

#include "runtime/core/shared_bytes.h"
#include "runtime/grpc/channel.h"
#include "runtime/grpc/framing.h"
#include "runtime/grpc/response_head.h"
#include "runtime/http2/session.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"
#include "runtime/task/timeout.h"

namespace steeple::runtime::grpc {

class OutboundCall;

class ClientConnection final : private http2::SessionHandler {
 public:
  ClientConnection(Loop& loop, std::unique_ptr<Transport> transport, const ChannelOptions& options);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // Until the connection has ended and is closed. `self` keeps it alive.
  static Task<void> run(std::shared_ptr<ClientConnection> self);
  // The server's SETTINGS have come. An error when it ends before that, or the wait does.
  Task<Result<void>> ready(Deadline deadline, StopToken stop);
  bool usable() const;  // for new calls
  void shut_down(Status status);

 private:
  friend class OutboundCall;

  void on_begin_headers(std::int32_t, void*) override {}
  void on_header(std::int32_t stream, void* user, std::string_view name, std::string_view value) override;
  void on_headers(std::int32_t stream, void* user, bool end_stream, bool too_large) override;
  void on_data(std::int32_t stream, void* user, BytesView data) override;
  void on_data_end(std::int32_t stream, void* user) override;
  void on_stream_closed(std::int32_t stream, void* user, http2::Reason reason) override;
  DataPlan plan_data(std::int32_t stream, void* user, std::size_t size_max) override;
  void write_data(std::int32_t stream, void* user, std::uint8_t* out, std::size_t size) override;
  void on_settings() override { changed_.notify(); }
  void on_goaway(std::int32_t last_stream, http2::Reason reason, BytesView debug) override;

  Task<void> read();
  static Task<void> write_all(ClientConnection* self);
  void lost(std::string_view cause);
  void attach(OutboundCall& call);
  void detach(OutboundCall& call);
  bool drained() const { return goaway_ && calls_.empty(); }

  Loop& loop_;
  std::unique_ptr<Transport> transport_;
  const std::size_t message_size_max_;
  const std::string authority_;
  const std::string user_agent_;
  http2::Session session_;
  TaskGroup tasks_;
  Signal output_;   // something to send
  Signal changed_;  // SETTINGS came, or the end
  std::vector<OutboundCall*> calls_;
  std::string goaway_text_;
  std::optional<Status> end_;
  bool goaway_ = false;
};

class OutboundCall final : public ClientStream {
 public:
  OutboundCall(std::shared_ptr<ClientConnection> connection, const std::string& path, const CallOptions& options);
  ~OutboundCall() override;
  OutboundCall(const OutboundCall&) = delete;
  OutboundCall& operator=(const OutboundCall&) = delete;

  Task<Result<void, Status>> send(BytesView message) override;
  void half_close() override;
  Task<Result<std::optional<Bytes>, Status>> receive() override;

  // The server has not looked at the call: it may be made again elsewhere.
  bool not_processed() const { return not_processed_; }

 private:
  friend class ClientConnection;
  void open(const std::string& path, const CallOptions& options);
  void end(Status status);
  void end_and_reset(Status status);
  void stopped(StopReason reason);
  void take_data(BytesView data);

  std::shared_ptr<ClientConnection> connection_;
  std::int32_t stream_ = 0;  // 0: not, or no longer, open
  Signal sent_;
  Signal arrived_;
  SharedBytes out_;
  std::size_t out_offset_ = 0;
  MessageReader reader_;
  std::deque<Bytes> messages_;
  std::size_t unconsumed_ = 0;
  ResponseHead head_;
  std::optional<Status> status_;
  bool half_closed_ = false;
  bool not_processed_ = false;
  Deadline deadline_;
  Timeout timeout_;
  StopCallback on_stop_;
};

}  // namespace steeple::runtime::grpc
