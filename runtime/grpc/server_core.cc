#include "runtime/grpc/server_core.h"

#include "runtime/grpc/server_connection.h"

namespace steeple::runtime::grpc {

ServerCore::ServerCore(Loop& server_loop, const ServiceTable& services, ServerOptions server_options, Logger logger)
    : loop(server_loop),
      table(services),
      options(server_options),
      log(std::move(logger)),
      scratch(kScratchBytes),
      connection_gone(server_loop),
      dirty_signal_(server_loop),
      timers_changed_(server_loop) {}

bool ServerCore::admit(const Peer* process) {
  if (stopping || connections_admitted_ >= options.connections_max) return false;
  if (process != nullptr && process->credentials().uid != 0) {
    std::size_t& of_user = connections_by_user_[process->credentials().uid];
    if (of_user >= options.connections_per_user_max) return false;
    ++of_user;
  }
  ++connections_admitted_;
  return true;
}

void ServerCore::attach(ServerConnection& connection) {
  connection.index_ = connections.size();
  connections.push_back(&connection);
}

void ServerCore::detach(ServerConnection& connection, const Peer* process) {
  connections[connection.index_] = connections.back();
  connections[connection.index_]->index_ = connection.index_;
  connections.pop_back();
  if (connection.dirty_) {
    std::replace(dirty_.begin(), dirty_.end(), &connection, static_cast<ServerConnection*>(nullptr));
    std::replace(flushing_.begin(), flushing_.end(), &connection, static_cast<ServerConnection*>(nullptr));
  }
  clear_timer(connection);
  --connections_admitted_;
  if (process != nullptr && process->credentials().uid != 0) {
    auto of_user = connections_by_user_.find(process->credentials().uid);
    if (--of_user->second == 0) connections_by_user_.erase(of_user);
  }
}

void ServerCore::flush_soon(ServerConnection& connection) {
  if (connection.dirty_) return;
  connection.dirty_ = true;
  dirty_.push_back(&connection);
  if (dirty_.size() == 1) dirty_signal_.notify();
}

Task<void> ServerCore::flush_each_turn(StopToken stop) {
  while (co_await dirty_signal_.wait(Deadline::never(), stop)) flush_dirty();
}

void ServerCore::flush_dirty() {
  std::swap(dirty_, flushing_);
  bool broadcast = flushing_.size() > kBroadcastMin;
  for (std::size_t i = 0; i < flushing_.size(); ++i) {
    ServerConnection* connection = flushing_[i];
    if (connection == nullptr) continue;
    connection->dirty_ = false;
    flushing_[i] = nullptr;
    connection->flush(broadcast);
  }
  flushing_.clear();
}

void ServerCore::set_timer(ServerConnection& connection, SteadyTime when) {
  clear_timer(connection);
  bool first = timers_.empty() || when < timers_.begin()->first;
  connection.timer_ = timers_.emplace(when, &connection);
  connection.timer_set_ = true;
  if (first && when < timers_armed_for_) timers_changed_.notify();
}

void ServerCore::clear_timer(ServerConnection& connection) {
  if (!connection.timer_set_) return;
  timers_.erase(connection.timer_);
  connection.timer_set_ = false;
}

Task<void> ServerCore::run_timers(StopToken stop) {
  while (!stop.stop_requested()) {
    Deadline next = timers_.empty() ? Deadline::never() : Deadline(timers_.begin()->first);
    timers_armed_for_ = next.when();
    (void)co_await timers_changed_.wait(next, stop);
    run_due_timers();
  }
}

void ServerCore::run_due_timers() {
  SteadyTime now = loop.now();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    ServerConnection* connection = timers_.begin()->second;
    clear_timer(*connection);
    connection->on_timer();
  }
}

}  // namespace steeple::runtime::grpc
