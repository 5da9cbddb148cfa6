// HTTP/2 without I/O: bytes in, events to a handler, bytes out. Wraps one nghttp2 session, server or client.
// Owned by its connection, on the loop thread that made it (sessions of a thread share memory, frame_memory.h).
// Limits: header list, SETTINGS and PRIORITY frames (they cost work per open stream), unsent control frames, frames of
// 16 KiB. HTTP messaging checks of nghttp2 are optional: they refuse authorities that clients do send (clients A.3).
// Sources: endpoints 1.3 (SETTINGS, windows, PING), RFC 9113.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/http2/token_bucket.h"

struct nghttp2_session;

namespace steeple::runtime::http2 {

// Error codes of RST_STREAM and GOAWAY (RFC 9113, 7).
enum class Reason : std::uint32_t {
  kNoError = 0,
  kProtocolError = 1,
  kInternalError = 2,
  kFlowControlError = 3,
  kSettingsTimeout = 4,
  kStreamClosed = 5,
  kFrameSizeError = 6,
  kRefusedStream = 7,
  kCancel = 8,
  kCompressionError = 9,
  kConnectError = 10,
  kEnhanceYourCalm = 11,
  kInadequateSecurity = 12,
  kHttp11Required = 13,
};
std::string_view to_string(Reason reason);  // "REFUSED_STREAM"

struct Header {
  Header(std::string_view header_name, std::string_view header_value, bool static_storage = false)
      : name(header_name), value(header_value), is_static(static_storage) {}
  std::string_view name;
  std::string_view value;
  bool is_static;  // both texts outlive the session: not copied
};

inline constexpr std::size_t kFramePayloadMax = 16384;
inline constexpr std::size_t kFrameRoom = kFramePayloadMax + 256;  // what fill() needs for the next frame
inline constexpr std::size_t kUnsentControlFramesMax = 2000;       // beyond what the open streams explain: a flood

// Called inside feed() and fill(); may submit frames, must not feed, fill or destroy the session. `user` is what
// set_user() or submit_request() attached to the stream; frames of streams without one are dropped and accounted for.
class SessionHandler {
 public:
  virtual void on_begin_headers(std::int32_t stream, void* user) = 0;
  virtual void on_header(std::int32_t stream, void* user, std::string_view name, std::string_view value) = 0;
  // The whole block is there. `too_large`: it was above the limit, and only a part of it was reported.
  virtual void on_headers(std::int32_t stream, void* user, bool end_stream, bool too_large) = 0;
  virtual void on_data(std::int32_t stream, void* user, BytesView data) = 0;
  virtual void on_data_end(std::int32_t stream, void* user) = 0;  // END_STREAM on DATA
  virtual void on_stream_closed(std::int32_t stream, void* user, Reason reason) = 0;

  // How much of the stream's output goes into the next DATA frame. Nothing and no end: the stream sleeps until
  // resume(). An end means that trailers follow when submit_trailers() was called meanwhile, else END_STREAM.
  struct DataPlan {
    std::size_t size = 0;
    bool end = false;
    bool trailers = false;
  };
  virtual DataPlan plan_data(std::int32_t stream, void* user, std::size_t size_max) = 0;
  virtual void write_data(std::int32_t stream, void* user, std::uint8_t* out, std::size_t size) = 0;

  virtual void on_answer_sent() {}  // HEADERS or DATA went out
  virtual void on_ping() {}         // not an acknowledgement; it is acknowledged already
  virtual void on_ping_ack() {}
  virtual void on_settings() {}  // the peer's, not an acknowledgement
  virtual void on_goaway(std::int32_t /*last_stream*/, Reason /*reason*/, BytesView /*debug*/) {}

 protected:
  ~SessionHandler() = default;
};

class Session {
 public:
  enum class Role { kServer, kClient };
  struct Options {
    Role role = Role::kServer;
    bool enforce_http_messaging = false;
    std::size_t header_list_bytes_max = 64 << 10;
    std::int32_t window_bytes = 65'535;  // of each stream and, if larger, of the connection; client only
  };
  Session(SessionHandler& handler, const Options& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Events come before it returns. An error means that the connection is beyond repair: close it.
  Result<void> feed(BytesView bytes, SteadyTime now);
  // Writes whole frames while there is room for a largest one; how many bytes. 0: nothing to send now.
  Result<std::size_t> fill(std::span<std::uint8_t> out);
  bool wants_write() const;
  bool finished() const;  // nothing more to read or write
  bool has_peer_settings() const { return peer_settings_; }
  std::size_t unsent_control_frames() const;

  void set_user(std::int32_t stream, void* user);
  // `with_data`: DATA follows through plan_data(); else the block ends the stream.
  void submit_response(std::int32_t stream, std::span<const Header> headers, bool with_data);
  Result<std::int32_t> submit_request(std::span<const Header> headers,
                                      void* user);                             // kUnavailable: no more streams here
  void submit_trailers(std::int32_t stream, std::span<const Header> headers);  // only from plan_data()
  void submit_reset(std::int32_t stream, Reason reason);
  void submit_ping(std::uint64_t payload);
  void resume(std::int32_t stream);
  bool remote_closed(std::int32_t stream) const;  // the peer has sent END_STREAM
  bool can_open_stream() const;                   // client: no GOAWAY, stream numbers left

  // Bytes given to on_data() were taken in: the peer may send as many more. The connection's own window is given back
  // as soon as bytes arrive; each stream's here.
  void consume(std::int32_t stream, std::size_t bytes);

  void goaway_notice();                                // graceful, first step: the peer opens no new streams
  void goaway(Reason reason, std::string_view debug);  // open streams go on
  void terminate(Reason reason);                       // GOAWAY is the last frame; input is ignored

 private:
  friend struct SessionCallbacks;
  SessionHandler& handler_;
  nghttp2_session* session_ = nullptr;
  std::uint8_t* out_ = nullptr;  // where fill() writes now
  std::uint8_t* out_end_ = nullptr;
  SteadyTime now_{};
  TokenBucket control_frames_;
  std::uint32_t header_list_bytes_max_;
  std::uint32_t header_list_bytes_ = 0;  // of the block being received
  bool server_;
  bool peer_settings_ = false;
};

}  // namespace steeple::runtime::http2
