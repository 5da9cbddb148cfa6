// One call as a service handler sees it. The server owns it; a handler's frame holds a reference until it returns a
// Status. I/O thread only.
#pragma once

#include <optional>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/deadline.h"
#include "runtime/core/shared_bytes.h"
#include "runtime/grpc/metadata.h"
#include "runtime/grpc/status.h"
#include "runtime/os/peer.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::runtime::grpc {

// Who calls: exactly one of the two is set. Both live as long as the connection.
struct CallPeer {
  const Peer* process = nullptr;  // Unix socket
  const std::vector<Bytes>* certificates =
      nullptr;  // TLS: what the peer presented and the verifier accepted; may be empty
};

class ServerCall {
 public:
  virtual ~ServerCall() = default;

  virtual const CallPeer& peer() const = 0;
  virtual std::string_view path() const = 0;  // "/package.Service/Method"
  virtual const Metadata& metadata() const = 0;
  virtual Deadline deadline() const = 0;  // from grpc-timeout, else never
  virtual StopToken stop()
      const = 0;  // stops when the client cancels, the deadline passes, the connection dies, the server stops

  // Unary and server-streaming calls: the one request message, without its frame header. Valid during the handler.
  virtual BytesView request() const = 0;
  // Client-streaming and bidirectional calls: the next message; nothing after the client's half-close.
  virtual Task<Result<std::optional<Bytes>>> receive() = 0;
  // A receive() that waits, and each later one, ends with kClosed: a handler with a reader beside it joins it so.
  virtual void stop_receiving() = 0;

  // Sends one message: `framed` is make_message()'s result and may be shared by thousands of calls. Waits until the
  // message before it has left, and while the connection holds too many unsent bytes, so a slow reader holds up only
  // itself and sees the newest state when it reads again. One send() and one receive() at a time.
  virtual Task<Result<void>> send(SharedBytes framed) = 0;

  // Closes the whole connection once the call's status is sent (a caller that is no longer who it was).
  virtual void close_connection_after() = 0;
};

// The 5-byte gRPC prefix and the message. `secret` wipes the bytes when the last owner lets go.
SharedBytes make_message(BytesView message, bool secret = false);

}  // namespace steeple::runtime::grpc
