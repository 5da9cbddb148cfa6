// The process at the other end of an accepted Unix socket, as the kernel knew it when it called connect()
// (attestation 6.1). Taken before the first byte is read. The pidfd (SO_PEERPIDFD, Linux 6.5) proves later that it is
// still the same process; without one (older kernels) the start time does.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "runtime/core/result.h"
#include "runtime/os/file_descriptor.h"
#include "runtime/os/process_keeper.h"

namespace steeple::runtime {

struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

class Peer {
 public:
  Peer() = default;
  Peer(PeerCredentials credentials, FileDescriptor pidfd, std::uint64_t start_time)
      : credentials_(credentials), pidfd_(std::move(pidfd)), start_time_(start_time) {}

  // Error texts follow upstream ("could not resolve caller information" for a pid of 0).
  static Result<Peer> of_socket(int socket_fd);
  // A process that somebody else names by its number, as the kernel knows it now. kNotFound: there is none.
  static Result<Peer> of_process(pid_t pid);

  const PeerCredentials& credentials() const { return credentials_; }
  int pidfd() const { return pidfd_.get(); }  // -1: none is kept
  std::uint64_t start_time() const {
    return start_time_;
  }  // field 22 of /proc/PID/stat; read only when there is no pidfd
  CallsOfPeer& calls() const { return calls_; }  // no part of who it is

 private:
  PeerCredentials credentials_;
  FileDescriptor pidfd_;
  std::uint64_t start_time_ = 0;
  mutable CallsOfPeer calls_;
};

}  // namespace steeple::runtime
