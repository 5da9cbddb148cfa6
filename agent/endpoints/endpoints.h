// A Unix socket that serves a method table (endpoints 1.1; config-cli 5.2): the public one, and others by the same
// class. Accepts from the moment it is bound; each connection has its peer's identity from before its first byte.
// Stopping ends open calls with Unavailable, flushes for at most 500 ms, and removes the socket file if it is still
// this one's. Owned by the composition root. I/O thread only.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "agent/endpoints/socket_engine.h"
#include "runtime/core/log.h"
#include "runtime/engine/engine.h"
#include "runtime/grpc/server.h"
#include "runtime/os/heap.h"
#include "runtime/os/unix_socket.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

inline constexpr mode_t kPublicSocketMode = 0777;
inline constexpr mode_t kAdminSocketMode = 0770;
inline constexpr mode_t kSocketDirectoryMode = 0755;
inline constexpr std::chrono::milliseconds kDrainWait{500};
inline constexpr std::chrono::seconds kAcceptRetryWait{1};

// The directory of a socket, if there is none, under the umask of the moment. `what` names it in the log line
// "Creating WHAT directory", such as "spire agent UDS". An existing one is left as it is.
runtime::Result<void> prepare_socket_directory(const std::string& socket_path, std::string_view what,
                                               const runtime::Logger& log);

// "Workload and SDS APIs", "Workload API", "SDS API", "no APIs": as the log lines name what the public socket serves.
std::string_view api_names(bool workload_api, bool sds);

class Endpoint {
 public:
  struct Options {
    std::string socket_path;  // absolute
    mode_t mode = kPublicSocketMode;
    std::string apis = "Workload API";
    bool admin = false;  // the log speaks of Admin APIs
    runtime::grpc::ServerOptions server;
  };

  // Binds and accepts at once. `engine` and `table` (and the services in it) outlive the endpoint; the table is
  // complete.
  static runtime::Result<std::unique_ptr<Endpoint>> start(runtime::Loop& loop, SocketEngine& engine,
                                                          const runtime::grpc::ServiceTable& table, Options options,
                                                          const runtime::Logger& log);
  ~Endpoint();  // stop() first
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Once. Joins everything.
  runtime::Task<void> stop();

  const std::string& socket_path() const { return listener_.path(); }
  std::size_t connections() const { return server_.connections(); }
  std::size_t streams() const { return server_.streams(); }

 private:
  Endpoint(runtime::Loop& loop, runtime::UnixListener listener, const runtime::grpc::ServiceTable& table,
           Options options, runtime::Logger log);
  template <class E>
  runtime::Task<void> accept_connections(E& engine);
  template <class C>
  runtime::Task<void> serve(runtime::Accepted<C> accepted);
  runtime::Task<void> trim_heap_soon();

  runtime::Loop& loop_;
  runtime::Logger log_;
  std::string apis_;
  bool admin_;
  runtime::UnixListener listener_;
  runtime::grpc::Server server_;
  runtime::TaskGroup connections_;
  runtime::TaskGroup accepting_;  // and what else runs for the endpoint itself
  runtime::HeapTrimRule trim_rule_;
};

}  // namespace steeple::agent
