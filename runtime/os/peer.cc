#include "runtime/os/peer.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "runtime/os/descriptor_table.h"
#include "runtime/os/file.h"
#include "runtime/os/procfs.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // Linux 6.5; newer than the C library's headers
#endif

namespace steeple::runtime {

namespace {

Result<std::uint64_t> read_start_time(pid_t pid) {
  std::string path = "/proc/" + std::to_string(pid) + "/stat";
  STEEPLE_TRY(text, with_context(read_file(path, kProcStatBytesMax), "could not read caller stat"));
  return parse_proc_stat_start_time(text);
}

// A pidfd becomes readable when its process ends.
bool is_running(int pidfd) {
  pollfd waited{pidfd, POLLIN, 0};
  return ::poll(&waited, 1, 0) == 0;
}

}  // namespace

Result<Peer> Peer::of_socket(int socket_fd) {
  constexpr std::string_view kUnresolved = "could not resolve caller information";
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return system_error(kUnresolved, errno);
  // 0: a process that this PID namespace cannot see.
  if (credentials.pid <= 0) return Error(ErrorCode::kDenied, std::string(kUnresolved));

  const PeerCredentials peer{credentials.pid, credentials.uid, credentials.gid};
  int pidfd = -1;
  size = sizeof pidfd;
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0) {
    FileDescriptor held(pidfd);
    if (!descriptors_are_scarce(pidfd)) return Peer(peer, std::move(held), 0);
    STEEPLE_TRY(start_time, read_start_time(peer.pid));
    // Alive after the read: the time is that of the peer itself, not of a successor with its number.
    if (!is_running(pidfd)) return Error(ErrorCode::kNotFound, std::string(kUnresolved));
    return Peer(peer, FileDescriptor(), start_time);
  }
  // Only a kernel that does not know the option is excused: any other failure is about this very peer.
  if (errno != ENOPROTOOPT) return system_error(kUnresolved, errno);
  STEEPLE_TRY(start_time, read_start_time(peer.pid));
  return Peer(peer, FileDescriptor(), start_time);
}

Result<Peer> Peer::of_process(pid_t pid) {
  FileDescriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) return Error(ErrorCode::kNotFound, system_error("pidfd_open", errno).message());
  const std::string path = "/proc/" + std::to_string(pid) + "/status";
  STEEPLE_TRY(text, read_file(path, kProcStatusBytesMax));
  STEEPLE_TRY(status, parse_proc_status(text));
  // Alive after the read: the numbers are its own, not a successor's.
  if (!is_running(pidfd.get())) return Error(ErrorCode::kNotFound, "the process has ended");
  return Peer({pid, status.uid.effective, status.gid.effective}, std::move(pidfd), 0);
}

}  // namespace steeple::runtime
