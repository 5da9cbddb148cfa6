// A few gRPC services on a Unix socket of their own, in a folder that only this user may enter: what a plugin and its
// host offer each other (config-cli 1.8). The folder is made in $TMPDIR, or /tmp, and removed at the end. stop() before
// it dies. I/O thread only.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string>

#include "runtime/core/log.h"
#include "runtime/grpc/server.h"
#include "runtime/os/unix_socket.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

inline constexpr std::size_t kPluginConnectionsMax = 16;
inline constexpr std::chrono::milliseconds kPluginServiceFlushWait{500};

class UnixService {
 public:
  // Accepts at once. `table` outlives the object. After that the texts of errors are the log's alone.
  static runtime::Result<std::unique_ptr<UnixService>> start(runtime::Loop& loop,
                                                             const runtime::grpc::ServiceTable& table,
                                                             const runtime::Logger& log);
  ~UnixService();
  UnixService(const UnixService&) = delete;
  UnixService& operator=(const UnixService&) = delete;

  const std::string& path() const { return listener_.path(); }
  runtime::Task<void> stop();

 private:
  UnixService(runtime::Loop& loop, runtime::UnixListener listener, std::string folder,
              const runtime::grpc::ServiceTable& table, const runtime::Logger& log);
  runtime::Task<void> accept();
  runtime::Task<void> serve(runtime::FileDescriptor socket);

  runtime::Loop& loop_;
  runtime::Logger log_;
  runtime::UnixListener listener_;
  std::string folder_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  runtime::grpc::Server server_;
  runtime::TaskGroup accepting_;
  runtime::TaskGroup connections_;
};

}  // namespace steeple::agent
