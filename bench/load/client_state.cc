#include "bench/load/client_state.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "runtime/core/result.h"

namespace steeple::bench {

namespace {

nghttp2_nv header(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

ssize_t read_request(nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t size, std::uint32_t* flags,
                     nghttp2_data_source* source, void*) {
  std::string& outbox = static_cast<Client::State*>(source->ptr)->outbox;
  const bool open = static_cast<Client::State*>(source->ptr)->call->acknowledge;
  if (outbox.empty() && open) return NGHTTP2_ERR_DEFERRED;
  std::size_t part = std::min(size, outbox.size());
  std::memcpy(buffer, outbox.data(), part);
  outbox.erase(0, part);
  if (outbox.empty() && !open) *flags = NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(part);
}

int on_chunk(nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size,
             void* user) {
  auto* state = static_cast<Client::State*>(user);
  if (stream == state->stream) state->on_data(data, size);
  return 0;
}

int on_header_field(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
  auto* state = static_cast<Client::State*>(user);
  if (frame->hd.stream_id == state->stream)
    state->on_header({reinterpret_cast<const char*>(name), name_size},
                     {reinterpret_cast<const char*>(value), value_size});
  return 0;
}

int on_stream_end(nghttp2_session*, std::int32_t stream, std::uint32_t error, void* user) {
  auto* state = static_cast<Client::State*>(user);
  if (stream == state->stream && error != NGHTTP2_NO_ERROR && state->grpc_status.empty())
    state->failure = "the agent reset the stream: " + std::string(nghttp2_http2_strerror(error));
  return 0;
}

const nghttp2_session_callbacks* callbacks() {
  static nghttp2_session_callbacks* made = [] {
    nghttp2_session_callbacks* out = nullptr;
    nghttp2_session_callbacks_new(&out);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out, on_chunk);
    nghttp2_session_callbacks_set_on_header_callback(out, on_header_field);
    nghttp2_session_callbacks_set_on_stream_close_callback(out, on_stream_end);
    return out;
  }();
  return made;
}

}  // namespace

Client::State::~State() {
  if (session) nghttp2_session_del(session);
  if (fd >= 0) ::close(fd);
}

bool Client::State::fail(const char* doing, int error_number) {
  failure = runtime::system_error(doing, error_number).message();
  return false;
}

bool Client::State::connect(const std::string& socket_path, bool& backlog_full) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return fail("connect", ENAMETOOLONG);
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail("socket", errno);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return true;
  backlog_full = errno == EAGAIN;
  return fail("connect", errno);
}

void Client::State::open_session() {
  nghttp2_session_client_new(&session, callbacks(), this);
  // Whole messages without a window update in between, as real clients grant them.
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1u << 20},
                                             {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, std::size(settings));
}

bool Client::State::open_stream() {
  const nghttp2_nv headers[] = {header(":method", "POST"),
                                header(":scheme", "http"),
                                header(":path", call->path),
                                header(":authority", "localhost"),
                                header("content-type", "application/grpc"),
                                header("te", "trailers"),
                                header("workload.spiffe.io", "true")};
  outbox = request_of(*call);
  have = 0;
  messages = 0;
  saw_expected = call->expect.empty();
  grpc_status.clear();
  grpc_message.clear();
  nghttp2_data_provider request{};
  request.source.ptr = this;
  request.read_callback = read_request;
  stream = nghttp2_submit_request(session, nullptr, headers, std::size(headers), &request, nullptr);
  return stream > 0 && flush();
}

// Everything the session has to say goes out in one send.
bool Client::State::flush() {
  thread_local std::string pending;
  pending.clear();
  for (;;) {
    const std::uint8_t* bytes = nullptr;
    ssize_t size = nghttp2_session_mem_send(session, &bytes);
    if (size < 0) return fail("HTTP/2", EPROTO);
    if (size == 0) break;
    pending.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
  if (pending.empty()) return true;
  ssize_t sent = ::send(fd, pending.data(), pending.size(), MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(pending.size()) || fail("send", sent < 0 ? errno : EMSGSIZE);
}

void Client::State::on_data(const std::uint8_t* data, std::size_t size) {
  while (size != 0) {
    if (have < sizeof prefix) {
      prefix[have++] = *data++;
      --size;
      message_bytes =
          std::size_t{prefix[1]} << 24 | std::size_t{prefix[2]} << 16 | std::size_t{prefix[3]} << 8 | prefix[4];
    } else {
      std::size_t part = std::min(size, message_bytes - (have - sizeof prefix));
      if (!saw_expected) saw_expected = memmem(data, part, call->expect.data(), call->expect.size()) != nullptr;
      if (call->acknowledge) kept.append(reinterpret_cast<const char*>(data), part);
      have += part;
      data += part;
      size -= part;
    }
    if (have >= sizeof prefix && have - sizeof prefix == message_bytes) on_message();
  }
}

void Client::State::on_message() {
  ++messages;
  have = 0;
  if (!call->acknowledge) return;
  outbox += sds_acknowledgement(kept, call->secret);
  kept.clear();
  nghttp2_session_resume_data(session, stream);
}

void Client::State::on_header(std::string_view name, std::string_view value) {
  if (name == "grpc-status") grpc_status = value;
  if (name == "grpc-message") grpc_message = value;
}

}  // namespace steeple::bench
