// The one shared channel to the server: made when it is first needed, let go after a failure or a rotation, closed once
// its last user is done (server-sync 1.6). I/O thread only. Inside agent/server.
#pragma once

#include <memory>
#include <optional>

#include "agent/server/rpc_channel.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

class ChannelSlot {
  struct Held;

 public:
  ChannelSlot(runtime::Loop& loop, RpcChannelFactory factory) : factory_(std::move(factory)), closing_(loop) {}
  ChannelSlot(const ChannelSlot&) = delete;
  ChannelSlot& operator=(const ChannelSlot&) = delete;

  // A user of the channel. Ends before the slot does.
  class Lease {
   public:
    Lease(ChannelSlot& slot, std::shared_ptr<Held> held);
    Lease(Lease&& other) noexcept : slot_(other.slot_), held_(std::move(other.held_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    RpcChannel& channel();
    void drop();  // nobody else gets this channel any more
    // What the server at the other end was found not to have, until there is another connection.
    void remember_no_sync();
    bool known_no_sync() const;

   private:
    ChannelSlot& slot_;
    std::shared_ptr<Held> held_;
  };

  Lease acquire();
  void drop();
  runtime::Task<void> close(runtime::StopReason reason);

 private:
  struct Held {
    std::unique_ptr<RpcChannel> channel;
    std::size_t users = 0;
    bool dropped = false;
    std::optional<std::uint64_t> no_sync_at;  // RpcChannel::connections_made() when that was found
  };
  static runtime::Task<void> close_one(std::shared_ptr<Held> held);
  void retire(std::shared_ptr<Held> held);

  RpcChannelFactory factory_;
  std::shared_ptr<Held> current_;
  runtime::TaskGroup closing_;
};

}  // namespace steeple::agent
