#include "agent/plugin/unix_service.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/engine/unix_transport.h"
#include "runtime/os/file.h"
#include "runtime/task/async_op.h"

namespace steeple::agent {

using runtime::FileDescriptor;
using runtime::Result;
using runtime::StopReason;
using runtime::Task;
using runtime::UnixListener;

namespace {

using Protocol = boost::asio::local::stream_protocol;

constexpr mode_t kSocketMode = 0600;

Result<std::string> make_private_folder() {
  const char* where = ::getenv("TMPDIR");
  std::string path = std::string(where && *where != '\0' ? where : "/tmp") + "/steeple-plugin-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return runtime::path_error("mkdir", path, errno);
  return path;
}

runtime::grpc::ServerOptions server_options() {
  runtime::grpc::ServerOptions options;
  options.connections_max = kPluginConnectionsMax;
  return options;
}

}  // namespace

Result<std::unique_ptr<UnixService>> UnixService::start(runtime::Loop& loop, const runtime::grpc::ServiceTable& table,
                                                        const runtime::Logger& log) {
  STEEPLE_TRY(folder, make_private_folder());
  Result<UnixListener> listener = UnixListener::bind(folder + "/socket", kSocketMode, "serve a plugin");
  if (!listener) {
    ::rmdir(folder.c_str());
    return std::move(listener.error());
  }
  std::unique_ptr<UnixService> service(new UnixService(loop, std::move(*listener), std::move(folder), table, log));
  service->accepting_.spawn(service->accept());
  return service;
}

UnixService::UnixService(runtime::Loop& loop, UnixListener listener, std::string folder,
                         const runtime::grpc::ServiceTable& table, const runtime::Logger& log)
    : loop_(loop),
      log_(log),
      listener_(std::move(listener)),
      folder_(std::move(folder)),
      acceptor_(loop.io()),
      server_(loop, table, server_options(), log),
      accepting_(loop),
      connections_(loop) {}

UnixService::~UnixService() = default;

Task<void> UnixService::accept() {
  boost::system::error_code error;
  FileDescriptor copy(::fcntl(listener_.fd(), F_DUPFD_CLOEXEC, 0));
  acceptor_.assign(Protocol(), copy.get(), error);
  if (!error) (void)copy.release();
  while (!error && !accepting_.token().stop_requested()) {
    auto [failure, socket] = co_await runtime::async_op<boost::system::error_code, Protocol::socket>(
        [this](auto handler) { acceptor_.async_accept(std::move(handler)); }, accepting_.token());
    error = failure;
    if (error || accepting_.token().stop_requested()) break;
    connections_.spawn(serve(FileDescriptor(socket.release())));
  }
  if (!accepting_.token().stop_requested()) {
    log_.error("Host services server failed", {{"error", runtime::system_error("accept", error.value())}});
  }
}

Task<void> UnixService::serve(FileDescriptor socket) {
  const std::unique_ptr<runtime::Transport> transport = runtime::make_unix_transport(loop_, std::move(socket));
  co_await server_.serve(*transport, nullptr);
}

Task<void> UnixService::stop() {
  accepting_.close(StopReason::kShutdown);
  co_await accepting_.join();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  listener_.close();
  ::rmdir(folder_.c_str());
  co_await server_.stop(runtime::grpc::Status(runtime::grpc::StatusCode::kUnavailable, "the host is stopping"),
                        kPluginServiceFlushWait);
  connections_.close(StopReason::kShutdown);
  co_await connections_.join();
}

}  // namespace steeple::agent
