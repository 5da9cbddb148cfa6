#include "runtime/os/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "runtime/os/file.h"

namespace steeple::runtime {

namespace {

// Names that do not fit are refused with what Go's standard library says for them.
bool fill_address(const std::string& path, sockaddr_un& address) {
  if (path.empty() || path.size() > kUnixPathBytesMax || path.find('\0') != std::string::npos) return false;
  std::memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return true;
}

Error listen_error(std::string_view doing, const std::string& path, std::string_view step, int error_number) {
  Error error = path_error("listen unix", path + ": " + std::string(step), error_number);
  return std::move(error).with_context(doing);
}

Error dial_error(const std::string& path, int error_number) {
  Error error = path_error("dial unix", path + ": connect", error_number);
  if (error_number == EAGAIN) return Error(ErrorCode::kLimit, error.message());
  if (error_number == ECONNREFUSED) return Error(ErrorCode::kUnavailable, error.message());
  return error;
}

}  // namespace

Result<UnixListener> UnixListener::bind(const std::string& path, mode_t mode, std::string_view doing) {
  (void)std::remove(path.c_str());  // whatever bind() says next is the text that counts
  sockaddr_un address;
  if (!fill_address(path, address)) return listen_error(doing, path, "bind", EINVAL);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return listen_error(doing, path, "socket", errno);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return listen_error(doing, path, "bind", errno);
  }
  UnixListener listener(std::move(socket), path);
  struct stat status;
  if (::lstat(path.c_str(), &status) == 0) {
    listener.device_ = status.st_dev;
    listener.inode_ = status.st_ino;
  }
  if (::listen(listener.fd(), kListenBacklog) != 0) return listen_error(doing, path, "listen", errno);
  if (::chmod(path.c_str(), mode) != 0) {
    return path_error("chmod", path, errno).with_context("unable to change UDS permissions");
  }
  return listener;
}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this != &other) {
    close();
    socket_ = std::move(other.socket_);
    path_ = std::move(other.path_);
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

// The file is looked at while the socket is open: until then its inode number cannot be given to another file.
void UnixListener::close() {
  if (!socket_) return;
  struct stat status;
  if (::lstat(path_.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) && status.st_dev == device_ &&
      status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  socket_.reset();
}

Result<FileDescriptor> connect_unix(const std::string& path) {
  sockaddr_un address;
  if (!fill_address(path, address)) return dial_error(path, EINVAL);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return path_error("dial unix", path + ": socket", errno);
  int result;
  do {
    result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return dial_error(path, errno);
  return socket;
}

}  // namespace steeple::runtime
