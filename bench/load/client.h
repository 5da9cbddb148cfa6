// One non-blocking client connection with one call at a time. Cheap by design: nghttp2 straight on a socket, no gRPC
// library, one send per turn, so that the generator never hides the agent. Single-threaded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "bench/load/call_shape.h"

namespace steeple::bench {

enum class Started { kYes, kBacklogFull, kFailed };
enum class Progress { kWaiting, kAnswered, kFailed };

class Client {
 public:
  struct State;
  Client();
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Connects and sends the call, which must outlive the client. kBacklogFull: try again after a turn of the loop.
  Started start(const std::string& socket_path, const CallShape& call);
  // On a kept connection: cancels the open stream, if there is one, and makes the call again.
  bool start_again();

  // Call when the socket is readable. kAnswered: a stream's first message, or a unary call's message and status 0.
  // After it a stream stays open; later messages count as pushes.
  Progress on_readable();

  int fd() const;                     // -1 before start() and after a failed one
  std::uint64_t pushes() const;       // messages after the first
  std::size_t message_bytes() const;  // length of the newest message
  const std::string& failure() const;
  const std::string& grpc_status() const;  // empty while the call runs

 private:
  std::unique_ptr<State> state_;
};

}  // namespace steeple::bench
