#include "bench/load/fetch_client.h"

#include <nghttp2/nghttp2.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/core/result.h"

namespace steeple::bench {

struct FetchClient::State {
  int fd = -1;
  nghttp2_session* session = nullptr;
  std::int32_t stream = -1;
  std::uint64_t messages = 0;
  std::size_t have = 0;  // bytes of the message being read, its 5-byte prefix included
  unsigned char prefix[5] = {};
  std::size_t message_bytes = 0;
  bool saw_spiffe_id = false;
  bool ended = false;
  std::string grpc_status;
  std::string failure;

  ~State() {
    if (session) nghttp2_session_del(session);
    if (fd >= 0) ::close(fd);
  }
  void on_data(const std::uint8_t* data, std::size_t size);
  bool open_stream();
  bool flush();
  bool fail(const char* doing, int error_number) {
    failure = runtime::system_error(doing, error_number).message();
    return false;
  }
};

namespace {

constexpr std::string_view kPath = "/SpiffeWorkloadAPI/FetchX509SVID";

nghttp2_nv header(const char* name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name)),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), std::strlen(name), value.size(),
          NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

// The empty request message: a frame prefix of five zero bytes.
ssize_t read_request(nghttp2_session*, std::int32_t, std::uint8_t* buffer, std::size_t, std::uint32_t* flags,
                     nghttp2_data_source*, void*) {
  std::memset(buffer, 0, 5);
  *flags = NGHTTP2_DATA_FLAG_EOF;
  return 5;
}

}  // namespace

void FetchClient::State::on_data(const std::uint8_t* data, std::size_t size) {
  while (size != 0) {
    if (have < sizeof prefix) {
      prefix[have++] = *data++;
      --size;
      if (have == sizeof prefix) {
        message_bytes =
            std::size_t{prefix[1]} << 24 | std::size_t{prefix[2]} << 16 | std::size_t{prefix[3]} << 8 | prefix[4];
      }
    } else {
      std::size_t part = std::min(size, message_bytes - (have - sizeof prefix));
      if (!saw_spiffe_id) saw_spiffe_id = memmem(data, part, "spiffe://", 9) != nullptr;
      have += part;
      data += part;
      size -= part;
    }
    if (have >= sizeof prefix && have - sizeof prefix == message_bytes) {
      ++messages;
      have = 0;
    }
  }
}

bool FetchClient::State::open_stream() {
  const nghttp2_nv headers[] = {header(":method", "POST"),
                                header(":scheme", "http"),
                                header(":path", kPath),
                                header(":authority", "localhost"),
                                header("content-type", "application/grpc"),
                                header("te", "trailers"),
                                header("workload.spiffe.io", "true")};
  nghttp2_data_provider request{};
  request.read_callback = read_request;
  have = 0;
  messages = 0;
  saw_spiffe_id = false;
  ended = false;
  stream = nghttp2_submit_request(session, nullptr, headers, std::size(headers), &request, nullptr);
  return stream > 0 && flush();
}

bool FetchClient::State::flush() {
  for (;;) {
    const std::uint8_t* bytes = nullptr;
    ssize_t size = nghttp2_session_mem_send(session, &bytes);
    if (size <= 0) return size == 0;
    ssize_t sent = ::send(fd, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (sent != size) return fail("send", sent < 0 ? errno : EMSGSIZE);
  }
}

FetchClient::FetchClient() = default;
FetchClient::~FetchClient() = default;
FetchClient::FetchClient(FetchClient&&) noexcept = default;
FetchClient& FetchClient::operator=(FetchClient&&) noexcept = default;

int FetchClient::fd() const { return state_->fd; }
std::uint64_t FetchClient::pushes() const { return state_->messages == 0 ? 0 : state_->messages - 1; }
std::size_t FetchClient::message_bytes() const { return state_->message_bytes; }
const std::string& FetchClient::failure() const { return state_->failure; }

bool FetchClient::start(const std::string& socket_path) {
  state_ = std::make_unique<State>();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) return state_->fail("connect", ENAMETOOLONG);
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  state_->fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (state_->fd < 0) return state_->fail("socket", errno);
  while (::connect(state_->fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    if (errno != EAGAIN) return state_->fail("connect", errno);
    ::usleep(100);  // the listener's backlog is full
  }
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks,
      [](nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size, void* user) {
        auto* state = static_cast<State*>(user);
        if (stream == state->stream) state->on_data(data, size);
        return 0;
      });
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
        auto* state = static_cast<State*>(user);
        std::string_view key(reinterpret_cast<const char*>(name), name_size);
        if (frame->hd.stream_id == state->stream && key == "grpc-status") {
          state->grpc_status.assign(reinterpret_cast<const char*>(value), value_size);
          state->ended = true;
        }
        return 0;
      });
  nghttp2_session_client_new(&state_->session, callbacks, state_.get());
  nghttp2_session_callbacks_del(callbacks);
  nghttp2_submit_settings(state_->session, NGHTTP2_FLAG_NONE, nullptr, 0);
  return state_->open_stream();
}

bool FetchClient::start_again() {
  nghttp2_submit_rst_stream(state_->session, NGHTTP2_FLAG_NONE, state_->stream, NGHTTP2_CANCEL);
  return state_->open_stream();
}

Progress FetchClient::on_readable() {
  thread_local std::uint8_t buffer[64 << 10];
  for (;;) {
    ssize_t size = ::recv(state_->fd, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN) break;
    if (size <= 0) {
      state_->fail("connection closed by the agent", size < 0 ? errno : ECONNRESET);
      return Progress::kFailed;
    }
    ssize_t used = nghttp2_session_mem_recv(state_->session, buffer, static_cast<std::size_t>(size));
    if (used != size || !state_->flush()) {
      if (state_->failure.empty()) state_->failure = "HTTP/2 error";
      return Progress::kFailed;
    }
    if (static_cast<std::size_t>(size) < sizeof buffer) break;
  }
  if (state_->ended) {
    state_->failure = "the call ended with grpc-status " + state_->grpc_status;
    return Progress::kFailed;
  }
  if (state_->messages == 0) return Progress::kWaiting;
  if (!state_->saw_spiffe_id) {
    state_->failure = "the answer holds no SPIFFE ID";
    return Progress::kFailed;
  }
  return Progress::kAnswered;
}

}  // namespace steeple::bench
