// Unix stream sockets: the listener behind an endpoint, and a non-blocking client connect.
// The listener replaces whatever stands at its path as upstream does (endpoints 1.1), sets the mode whatever the umask
// is, and at its end removes the file only if it is still its own. Error texts are upstream's. I/O thread only.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/core/result.h"
#include "runtime/os/file_descriptor.h"

namespace steeple::runtime {

inline constexpr int kListenBacklog = 4096;            // the kernel caps it at net.core.somaxconn
inline constexpr std::size_t kUnixPathBytesMax = 107;  // sun_path less its terminator

class UnixListener {
 public:
  // `doing` opens the text of a bind failure: "DOING: listen unix PATH: bind: address already in use".
  static Result<UnixListener> bind(const std::string& path, mode_t mode,
                                   std::string_view doing = "create UDS listener");

  UnixListener(UnixListener&& other) noexcept = default;
  UnixListener& operator=(UnixListener&& other) noexcept;
  ~UnixListener() { close(); }

  int fd() const { return socket_.get(); }
  const std::string& path() const { return path_; }

  // Stops listening, and removes the socket file if it is still the one bind() made. Stop accepting first.
  void close();

 private:
  UnixListener(FileDescriptor socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
  FileDescriptor socket_;
  std::string path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

// A connected, non-blocking stream socket. Connecting to a Unix socket never waits: a full backlog gives kLimit (try
// again after a moment), nobody listening kUnavailable. Texts are Go's: "dial unix PATH: connect: no such file or
// directory".
Result<FileDescriptor> connect_unix(const std::string& path);

}  // namespace steeple::runtime
