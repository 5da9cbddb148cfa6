// One non-blocking client connection that opens FetchX509SVID and waits for its first message. Cheap by design: nghttp2
// straight on a socket, no gRPC library, so that the generator never hides the agent. Single-threaded, driven by
// LoadLoop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace steeple::bench {

enum class Progress { kWaiting, kAnswered, kFailed };

class FetchClient {
 public:
  FetchClient();
  ~FetchClient();
  FetchClient(FetchClient&&) noexcept;
  FetchClient& operator=(FetchClient&&) noexcept;

  // Connects and sends the call. False with `failure()` when the socket refuses; EAGAIN of a full backlog is retried by
  // the caller.
  bool start(const std::string& socket_path);
  // On a kept connection: cancels the open stream and opens the next one.
  bool start_again();

  // Call when the socket is readable. After kAnswered the stream stays open; later messages count as pushes.
  Progress on_readable();

  int fd() const;
  std::uint64_t pushes() const;       // messages after the first
  std::size_t message_bytes() const;  // length of the newest message
  const std::string& failure() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace steeple::bench
