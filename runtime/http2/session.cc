#include "runtime/http2/session.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <boost/container/small_vector.hpp>
#include <cstring>

#include "runtime/core/assert.h"
#include "runtime/http2/frame_memory.h"

namespace steeple::runtime::http2 {
namespace {

constexpr std::size_t kFrameHeaderSize = 9;
constexpr std::size_t kHeaderOverhead = 32;  // RFC 9113, 6.5.2: what one field counts beyond its two texts
constexpr float kControlFramesBurst = 200;
constexpr float kControlFramesPerSecond = 20;

std::string_view view(const std::uint8_t* text, std::size_t size) {
  return {reinterpret_cast<const char*>(text), size};
}
std::uint8_t* mutable_text(std::string_view text) {
  return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // nghttp2 only reads it
}

class NameValues {
 public:
  explicit NameValues(std::span<const Header> headers) {
    entries_.reserve(headers.size());
    for (const Header& header : headers) {
      std::uint8_t flags = NGHTTP2_NV_FLAG_NONE;
      if (header.is_static) flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
      entries_.push_back(
          {mutable_text(header.name), mutable_text(header.value), header.name.size(), header.value.size(), flags});
    }
  }
  const nghttp2_nv* data() const { return entries_.data(); }
  std::size_t size() const { return entries_.size(); }

 private:
  boost::container::small_vector<nghttp2_nv, 8> entries_;
};

}  // namespace

// What nghttp2 calls. The session's user data is the Session.
struct SessionCallbacks {
  static Session& self(void* user) { return *static_cast<Session*>(user); }
  static void* stream_user(nghttp2_session* session, std::int32_t stream) {
    return nghttp2_session_get_stream_user_data(session, stream);
  }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    self(user).header_list_bytes_ = 0;
    self(user).handler_.on_begin_headers(frame->hd.stream_id, stream_user(session, frame->hd.stream_id));
    return 0;
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size, std::uint8_t /*flags*/,
                    void* user) {
    Session& me = self(user);
    std::size_t total = me.header_list_bytes_ + name_size + value_size + kHeaderOverhead;
    me.header_list_bytes_ = static_cast<std::uint32_t>(total);
    if (total > me.header_list_bytes_max_) return 0;
    void* stream = stream_user(session, frame->hd.stream_id);
    if (stream) me.handler_.on_header(frame->hd.stream_id, stream, view(name, name_size), view(value, value_size));
    return 0;
  }

  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Session& me = self(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS: {
        void* stream = stream_user(session, frame->hd.stream_id);
        bool too_large = me.header_list_bytes_ > me.header_list_bytes_max_;
        bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if (stream) me.handler_.on_headers(frame->hd.stream_id, stream, end, too_large);
        return 0;
      }
      case NGHTTP2_DATA: {
        void* stream = stream_user(session, frame->hd.stream_id);
        if (stream && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) me.handler_.on_data_end(frame->hd.stream_id, stream);
        return 0;
      }
      case NGHTTP2_GOAWAY:
        me.handler_.on_goaway(frame->goaway.last_stream_id, static_cast<Reason>(frame->goaway.error_code),
                              {frame->goaway.opaque_data, frame->goaway.opaque_data_len});
        return 0;
      default:
        return control_frame(me, frame);
    }
  }

  static int control_frame(Session& me, const nghttp2_frame* frame) {
    bool ack = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    if (frame->hd.type == NGHTTP2_PING) {
      ack ? me.handler_.on_ping_ack() : me.handler_.on_ping();
      return 0;
    }
    bool settings = frame->hd.type == NGHTTP2_SETTINGS && !ack;
    if (!settings && frame->hd.type != NGHTTP2_PRIORITY) return 0;
    if (!me.control_frames_.take(me.now_)) {
      me.terminate(Reason::kEnhanceYourCalm);
      return 0;
    }
    if (settings) {
      me.peer_settings_ = true;
      me.handler_.on_settings();
    }
    return 0;
  }

  static int data_chunk(nghttp2_session* session, std::uint8_t /*flags*/, std::int32_t stream, const std::uint8_t* data,
                        std::size_t size, void* user) {
    nghttp2_session_consume_connection(session, size);
    void* attached = stream_user(session, stream);
    if (attached) {
      self(user).handler_.on_data(stream, attached, {data, size});
    } else {
      nghttp2_session_consume_stream(session, stream, size);
    }
    return 0;
  }

  static int stream_closed(nghttp2_session* session, std::int32_t stream, std::uint32_t error, void* user) {
    void* attached = stream_user(session, stream);
    if (attached) self(user).handler_.on_stream_closed(stream, attached, static_cast<Reason>(error));
    return 0;
  }

  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    Session& me = self(user);
    me.handler_.on_answer_sent();
    // An answer that is complete before its request is: the rest of the request is not wanted.
    if (me.server_ && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) &&
        nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  static ssize_t read_data(nghttp2_session* session, std::int32_t stream, std::uint8_t* /*buffer*/,
                           std::size_t size_max, std::uint32_t* flags, nghttp2_data_source* /*source*/, void* user) {
    void* attached = stream_user(session, stream);
    if (attached == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    SessionHandler::DataPlan plan = self(user).handler_.plan_data(stream, attached, size_max);
    if (plan.end) *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (plan.trailers) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (plan.size == 0) return plan.end ? 0 : NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return static_cast<ssize_t>(plan.size);
  }

  // The payload goes straight into the caller's buffer: keys never pass through memory that sessions share.
  static int send_data(nghttp2_session* session, nghttp2_frame* frame, const std::uint8_t* frame_header,
                       std::size_t size, nghttp2_data_source* /*source*/, void* user) {
    Session& me = self(user);
    STEEPLE_ASSERT(static_cast<std::size_t>(me.out_end_ - me.out_) >= kFrameHeaderSize + size);
    void* attached = stream_user(session, frame->hd.stream_id);
    if (attached == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    std::memcpy(me.out_, frame_header, kFrameHeaderSize);
    me.handler_.write_data(frame->hd.stream_id, attached, me.out_ + kFrameHeaderSize, size);
    me.out_ += kFrameHeaderSize + size;
    // nghttp2 would go on with the next DATA frame at once: not when it might not fit.
    return static_cast<std::size_t>(me.out_end_ - me.out_) >= kFrameRoom ? 0 : NGHTTP2_ERR_PAUSE;
  }

  static nghttp2_session_callbacks* table() {
    static nghttp2_session_callbacks* const callbacks = [] {
      nghttp2_session_callbacks* made = nullptr;
      STEEPLE_ASSERT(nghttp2_session_callbacks_new(&made) == 0);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, begin_headers);
      nghttp2_session_callbacks_set_on_header_callback(made, header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, frame_received);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, data_chunk);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, stream_closed);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, frame_sent);
      nghttp2_session_callbacks_set_send_data_callback(made, send_data);
      return made;
    }();
    return callbacks;
  }

  static const nghttp2_option* options(bool server, bool enforce_http_messaging) {
    static nghttp2_option* const all[2][2] = {{make_options(false, false), make_options(false, true)},
                                              {make_options(true, false), make_options(true, true)}};
    return all[server][enforce_http_messaging];
  }

  static nghttp2_option* make_options(bool server, bool enforce_http_messaging) {
    nghttp2_option* made = nullptr;
    STEEPLE_ASSERT(nghttp2_option_new(&made) == 0);
    nghttp2_option_set_no_closed_streams(made, 1);
    nghttp2_option_set_no_auto_window_update(made, 1);
    nghttp2_option_set_no_http_messaging(made, enforce_http_messaging ? 0 : 1);
    // Resets are counted by the gRPC server, which knows whether the stream had been answered: workloads that fetch
    // once over a kept connection cancel each stream, and are welcome to.
    nghttp2_option_set_stream_reset_rate_limit(made, std::uint64_t{1} << 62, std::uint64_t{1} << 40);
    // A server answers with the same few short headers: its dynamic table would cost 1.1 KiB a connection for nothing.
    if (server) nghttp2_option_set_max_deflate_dynamic_table_size(made, 0);
    return made;
  }
};

Session::Session(SessionHandler& handler, const Options& options)
    : handler_(handler),
      control_frames_(kControlFramesBurst, kControlFramesPerSecond),
      header_list_bytes_max_(static_cast<std::uint32_t>(options.header_list_bytes_max)),
      server_(options.role == Role::kServer) {
  FrameMemory::MakingSession making(server_);
  const nghttp2_option* chosen = SessionCallbacks::options(server_, options.enforce_http_messaging);
  auto make = server_ ? nghttp2_session_server_new3 : nghttp2_session_client_new3;
  auto* memory = static_cast<nghttp2_mem*>(FrameMemory::allocator());
  STEEPLE_ASSERT(make(&session_, SessionCallbacks::table(), this, chosen, memory) == 0);
  if (server_) {
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFramePayloadMax}};
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 1);
    return;
  }
  nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(options.window_bytes)}};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2);
  if (options.window_bytes > NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE) {
    nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, options.window_bytes);
  }
}

Session::~Session() { nghttp2_session_del(session_); }

Result<void> Session::feed(BytesView bytes, SteadyTime now) {
  now_ = now;
  ssize_t taken = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
  if (taken == static_cast<ssize_t>(bytes.size())) return Result<void>();
  const char* text = taken < 0 ? nghttp2_strerror(static_cast<int>(taken)) : "input left over";
  return Error(runtime::ErrorCode::kMalformed, fmt::format("HTTP/2: {}", text));
}

Result<std::size_t> Session::fill(std::span<std::uint8_t> out) {
  out_ = out.data();
  out_end_ = out.data() + out.size();
  ssize_t size = 0;
  while (out_end_ - out_ >= static_cast<ssize_t>(kFrameRoom)) {
    const std::uint8_t* frame = nullptr;
    std::uint8_t* before = out_;
    size = nghttp2_session_mem_send(session_, &frame);
    if (size < 0) break;
    if (size == 0 && out_ == before) break;
    if (size > out_end_ - out_) {
      size = NGHTTP2_ERR_BUFFER_ERROR;
      break;
    }
    if (size > 0) std::memcpy(out_, frame, static_cast<std::size_t>(size));
    out_ += size;
  }
  std::size_t total = static_cast<std::size_t>(out_ - out.data());
  out_ = out_end_ = nullptr;
  if (size < 0)
    return Error(runtime::ErrorCode::kInternal, fmt::format("HTTP/2: {}", nghttp2_strerror(static_cast<int>(size))));
  return total;
}

bool Session::wants_write() const { return nghttp2_session_want_write(session_) != 0; }
bool Session::finished() const { return !wants_write() && nghttp2_session_want_read(session_) == 0; }
std::size_t Session::unsent_control_frames() const { return nghttp2_session_get_outbound_queue_size(session_); }

void Session::set_user(std::int32_t stream, void* user) {
  nghttp2_session_set_stream_user_data(session_, stream, user);
}

void Session::submit_response(std::int32_t stream, std::span<const Header> headers, bool with_data) {
  NameValues values(headers);
  nghttp2_data_provider provider{{.ptr = nullptr}, SessionCallbacks::read_data};
  nghttp2_submit_response(session_, stream, values.data(), values.size(), with_data ? &provider : nullptr);
}

Result<std::int32_t> Session::submit_request(std::span<const Header> headers, void* user) {
  NameValues values(headers);
  nghttp2_data_provider provider{{.ptr = nullptr}, SessionCallbacks::read_data};
  std::int32_t stream = nghttp2_submit_request(session_, nullptr, values.data(), values.size(), &provider, user);
  if (stream > 0) return stream;
  return Error(runtime::ErrorCode::kUnavailable, fmt::format("HTTP/2: {}", nghttp2_strerror(stream)));
}

void Session::submit_trailers(std::int32_t stream, std::span<const Header> headers) {
  NameValues values(headers);
  nghttp2_submit_trailer(session_, stream, values.data(), values.size());
}

void Session::submit_reset(std::int32_t stream, Reason reason) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream, static_cast<std::uint32_t>(reason));
}

void Session::submit_ping(std::uint64_t payload) {
  std::uint8_t bytes[8];
  std::memcpy(bytes, &payload, sizeof bytes);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, bytes);
}

void Session::resume(std::int32_t stream) { nghttp2_session_resume_data(session_, stream); }

bool Session::remote_closed(std::int32_t stream) const {
  return nghttp2_session_get_stream_remote_close(session_, stream) == 1;
}

bool Session::can_open_stream() const { return nghttp2_session_check_request_allowed(session_) != 0; }

void Session::consume(std::int32_t stream, std::size_t bytes) {
  nghttp2_session_consume_stream(session_, stream, bytes);
}

void Session::goaway_notice() { nghttp2_submit_shutdown_notice(session_); }

void Session::goaway(Reason reason, std::string_view debug) {
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_),
                        static_cast<std::uint32_t>(reason), as_bytes(debug).data(), debug.size());
}

void Session::terminate(Reason reason) {
  nghttp2_session_terminate_session(session_, static_cast<std::uint32_t>(reason));
}

std::string_view to_string(Reason reason) {
  static constexpr std::string_view kNames[] = {"NO_ERROR",
                                                "PROTOCOL_ERROR",
                                                "INTERNAL_ERROR",
                                                "FLOW_CONTROL_ERROR",
                                                "SETTINGS_TIMEOUT",
                                                "STREAM_CLOSED",
                                                "FRAME_SIZE_ERROR",
                                                "REFUSED_STREAM",
                                                "CANCEL",
                                                "COMPRESSION_ERROR",
                                                "CONNECT_ERROR",
                                                "ENHANCE_YOUR_CALM",
                                                "INADEQUATE_SECURITY",
                                                "HTTP_1_1_REQUIRED"};
  auto index = static_cast<std::size_t>(reason);
  return index < std::size(kNames) ? kNames[index] : "unknown error code";
}

}  // namespace steeple::runtime::http2
