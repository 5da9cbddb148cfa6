// The client end of a Unix socket as a Transport, on plain Asio: for the command line, Docker-like local APIs and
// tests. Few connections; each owns a read buffer. I/O thread only.
#pragma once

#include <memory>
#include <string>

#include "runtime/engine/byte_stream.h"
#include "runtime/loop/loop.h"
#include "runtime/os/file_descriptor.h"

namespace steeple::runtime {

// A connected stream socket (Unix or a socketpair) as a Transport.
std::unique_ptr<Transport> make_unix_transport(Loop& loop, FileDescriptor socket);

class UnixConnector final : public Connector {
 public:
  UnixConnector(Loop& loop, std::string path) : loop_(loop), path_(std::move(path)) {}
  // A full backlog is tried again until the deadline. Error texts: "dial unix PATH: connect: connection refused".
  Task<Result<std::unique_ptr<Transport>>> connect(Deadline deadline, StopToken stop) override;

 private:
  Loop& loop_;
  std::string path_;
};

}  // namespace steeple::runtime
