#include "runtime/engine/socket_error.h"

#include <sys/socket.h>

#include <cerrno>

namespace steeple::runtime {

Error socket_error(std::string_view doing, int error_number) {
  Error error = system_error(doing, error_number);
  if (error_number == EPIPE || error_number == ECONNRESET) return Error(ErrorCode::kClosed, error.message());
  return error;
}

std::ptrdiff_t send_some(int socket_fd, BytesView bytes) {
  ssize_t sent;
  do {
    sent = ::send(socket_fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

Result<std::size_t> send_now(int socket_fd, BytesView bytes) {
  const std::ptrdiff_t sent = send_some(socket_fd, bytes);
  if (sent < 0) return socket_error("send", static_cast<int>(-sent));
  return static_cast<std::size_t>(sent);
}

Error accept_error(int error_number) {
  Error error = system_error("accept", error_number);
  switch (error_number) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return Error(ErrorCode::kLimit, error.message());
    default:
      return error;
  }
}

bool is_shortage(const Error& accept_error) { return accept_error.code() == ErrorCode::kLimit; }

bool concerns_one_connection(int accept_error_number) {
  return accept_error_number == ECONNABORTED || accept_error_number == EINTR;
}

}  // namespace steeple::runtime
