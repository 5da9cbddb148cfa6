// A client channel: one HTTP/2 connection at a time, made on demand by a Connector, replaced after GOAWAY or failure.
// Fail-fast: a call on a channel that cannot connect fails with UNAVAILABLE and the cause's text. I/O thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "runtime/core/bytes.h"
#include "runtime/core/deadline.h"
#include "runtime/engine/byte_stream.h"
#include "runtime/grpc/metadata.h"
#include "runtime/grpc/status.h"
#include "runtime/loop/loop.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::runtime::grpc {

struct CallOptions {
  CallOptions(Deadline call_deadline, StopToken stop_token) : deadline(call_deadline), stop(stop_token) {}
  Deadline deadline;
  StopToken stop;
  Metadata metadata;
};

// A call with a stream of messages in either or both directions. Destroying it cancels the call (RST_STREAM).
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  virtual Task<Result<void, Status>> send(BytesView message) = 0;
  virtual void half_close() = 0;
  // The next message; nothing after a final status of OK; the status when it is not OK.
  virtual Task<Result<std::optional<Bytes>, Status>> receive() = 0;
};

struct ChannelOptions {
  std::string authority;  // ":authority", e.g. "server:8081" or "localhost"
  std::string user_agent = "grpc-c++/1.0 steeple";
  std::size_t message_size_max = 64u << 20;  // received
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(20);
};

class Channel {
 public:
  Channel(Loop& loop, std::unique_ptr<Connector> connector, ChannelOptions options);
  ~Channel();  // close() first
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  Task<Result<Bytes, Status>> unary(std::string path, Bytes request, CallOptions options);
  // Server-streaming, client-streaming and bidirectional calls alike.
  Task<Result<std::unique_ptr<ClientStream>, Status>> open_stream(std::string path, CallOptions options);

  // The last connection failure, for callers that must tell an untrusted server (ErrorCode::kUntrusted) from an absent
  // one.
  const std::optional<Error>& last_connect_error() const;

  // No new calls; calls under way end with CANCELLED; the connection is closed. Joins everything.
  Task<void> close(StopReason reason);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace steeple::runtime::grpc
