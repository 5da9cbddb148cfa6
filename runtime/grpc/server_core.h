// What all connections of one server share: limits and their counters, the scratch buffer, who has output to flush, who
// has a timer. Owned by Server, outlives its connections. I/O thread only.
#pragma once

#include <sys/types.h>

#include <coroutine>
#include <map>
#include <unordered_map>
#include <vector>

#include "runtime/core/log.h"
#include "runtime/grpc/server.h"
#include "runtime/task/signal.h"

namespace steeple::runtime::grpc {

class ServerConnection;

inline constexpr std::size_t kScratchBytes = 64 << 10;
// More connections than this with output in one turn of the loop is a broadcast: sent inline from the scratch buffer.
inline constexpr std::size_t kBroadcastMin = 32;

class ServerCore {
 public:
  using Timers = std::multimap<SteadyTime, ServerConnection*>;

  ServerCore(Loop& server_loop, const ServiceTable& services, ServerOptions server_options, Logger logger);
  ServerCore(const ServerCore&) = delete;
  ServerCore& operator=(const ServerCore&) = delete;

  // Counts a new connection; false when a limit is reached.
  bool admit(const Peer* process);
  void attach(ServerConnection& connection);
  void detach(ServerConnection& connection, const Peer* process);

  // The connection's handlers have made output: it is flushed at the end of this turn of the loop.
  void flush_soon(ServerConnection& connection);
  void set_timer(ServerConnection& connection, SteadyTime when);
  void clear_timer(ServerConnection& connection);

  Task<void> flush_each_turn(StopToken stop);
  Task<void> run_timers(StopToken stop);

  Loop& loop;
  const ServiceTable& table;
  const ServerOptions options;
  Logger log;
  Bytes scratch;
  std::size_t streams = 0;
  std::size_t buffered_input = 0;
  std::vector<ServerConnection*> connections;
  Signal connection_gone;
  bool stopping = false;
  Status stop_status;

 private:
  void flush_dirty();
  void run_due_timers();
  std::size_t connections_admitted_ = 0;
  std::unordered_map<uid_t, std::size_t> connections_by_user_;
  std::vector<ServerConnection*> dirty_;
  std::vector<ServerConnection*> flushing_;
  Signal dirty_signal_;
  Timers timers_;
  Signal timers_changed_;
  SteadyTime timers_armed_for_ = SteadyTime::max();
};

}  // namespace steeple::runtime::grpc
