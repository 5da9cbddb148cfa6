// One call of a server connection, from its first header to the last byte of its status. Owned by the connection; kept
// until both the stream is gone and the handler has ended. What an idle server stream costs is decided here: rare state
// is allocated when it is needed. I/O thread only.
#pragma once

#include <coroutine>
#include <list>
#include <memory>

#include "runtime/grpc/call.h"
#include "runtime/grpc/framing.h"
#include "runtime/grpc/request_head.h"
#include "runtime/grpc/service.h"
#include "runtime/task/timeout.h"

namespace steeple::runtime::grpc {

class ServerConnection;

class InboundCall final : public ServerCall {
 public:
  InboundCall(ServerConnection& connection, std::int32_t stream);
  ~InboundCall() override;
  InboundCall(const InboundCall&) = delete;
  InboundCall& operator=(const InboundCall&) = delete;

  const CallPeer& peer() const override;
  std::string_view path() const override { return entry_->method.path; }
  const Metadata& metadata() const override { return metadata_; }
  Deadline deadline() const override { return deadline_; }
  StopToken stop() const override { return stop_.token(); }
  BytesView request() const override { return request_; }
  Task<Result<std::optional<Bytes>>> receive() override;
  void stop_receiving() override;
  Task<Result<void>> send(SharedBytes framed) override;
  void close_connection_after() override { close_connection_ = true; }

 private:
  friend class ServerConnection;

  // Client-streaming and bidirectional calls only.
  struct Inbox {
    std::list<Bytes> messages;   // takes no memory while it is empty
    std::size_t unconsumed = 0;  // bytes that the peer may not replace yet
    std::coroutine_handle<> receiver;
    bool closed = false;  // by the handler
  };
  struct DeadlineTimer;
  struct WaitForRoom;
  struct WaitForMessage;

  std::size_t out_left() const { return out_.size() - out_offset_; }
  void stop_handler(StopReason reason);
  void wake_sender();
  void wake_receiver();
  void set_request(Bytes message) {
    request_ = std::move(message);
    has_request_ = true;
  }

  ServerConnection& connection_;
  const ServiceTable::Entry* entry_ = nullptr;
  InboundCall* previous_ = nullptr;  // all calls of the connection
  InboundCall* next_ = nullptr;
  InboundCall* next_ready_ = nullptr;
  InboundCall* next_ended_ = nullptr;
  mutable StopSource stop_;
  Metadata metadata_;
  Bytes request_;
  MessageReader reader_;
  SharedBytes out_;  // the one message on its way
  std::uint32_t out_offset_ = 0;
  std::int32_t stream_;
  Deadline deadline_;
  SteadyTime began_{};  // set where there is an observer
  std::coroutine_handle<> sender_;
  std::unique_ptr<RequestHead> head_;
  std::unique_ptr<Inbox> inbox_;
  std::unique_ptr<DeadlineTimer> deadline_timer_;
  std::unique_ptr<std::string> content_type_;  // when it is not application/grpc
  std::unique_ptr<Status> status_;
  std::uint32_t accounted_ = 0;  // request bytes counted against the limits
  StopReason stop_reason_ = StopReason::kNone;
  bool has_request_ : 1 = false;
  bool input_ended_ : 1 = false;
  bool running_ : 1 = false;
  bool headers_sent_ : 1 = false;
  bool stream_gone_ : 1 = false;
  bool queued_ready_ : 1 = false;
  bool queued_ended_ : 1 = false;
  bool close_connection_ : 1 = false;
};

}  // namespace steeple::runtime::grpc
