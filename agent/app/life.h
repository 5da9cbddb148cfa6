// The agent's life towards the server: an identity, then synchronisation and rotation side by side until one of them
// needs more than another try, then recovery, and on again (server-sync 2.5). Owned by the app. I/O thread only.
#pragma once

#include <functional>
#include <optional>

#include "agent/node/node_identity.h"
#include "agent/sync/syncer.h"

namespace steeple::agent {

class Life {
 public:
  // References outlive the object. `on_ready` is called once, after the first successful sync.
  Life(runtime::Loop& loop, NodeIdentity& identity, ServerClient& server, Syncer& syncer, bool keys_survive_restart,
       std::function<void()> on_ready, runtime::Logger log);

  // Until stopped (a value), or until there is no going on (banned, evicted and not re-attestable, ...).
  runtime::Task<runtime::Result<void>> run(runtime::StopToken stop);

 private:
  runtime::Task<void> synchronise(runtime::TaskGroup& both);
  runtime::Task<void> rotate(runtime::TaskGroup& both);
  runtime::Task<void> tell_when_ready(runtime::TaskGroup& both);
  void warn_of_memory_keys() const;

  runtime::Loop& loop_;
  NodeIdentity& identity_;
  ServerClient& server_;
  Syncer& syncer_;
  bool keys_survive_restart_;
  std::function<void()> on_ready_;
  runtime::Logger log_;
  std::optional<ServerError> failure_;  // what ended the pair
};

}  // namespace steeple::agent
