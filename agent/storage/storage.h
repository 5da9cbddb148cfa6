// What the agent keeps in its data_dir: SVID, bundle, bootstrap state, in the Go agent's agent-data.json (server-sync
// 6). Every change is on disk when the call returns; one that cannot be written leaves file and memory as they were, is
// reported, and is taken over by the next successful write only if the caller repeats it. I/O thread only; one agent
// per directory.
#pragma once

#include <memory>
#include <string>

#include "agent/storage/agent_data.h"
#include "runtime/core/log.h"

namespace steeple::agent {

class Storage {
 public:
  // Makes the directory (0755, with parents). A missing file is an empty state. A corrupt one is reported at error
  // level, kept aside as agent-data.json.damaged-N, and the agent starts without state. agent_svid.der and bundle.der
  // of old agents are taken over when they are newer; they are never written.
  static runtime::Result<std::unique_ptr<Storage>> open(const std::string& data_dir, const runtime::Logger& log);

  const AgentData& data() const { return data_; }
  runtime::Result<void> store_svid(runtime::Certificates svid, bool reattestable);
  runtime::Result<void> delete_svid();
  runtime::Result<void> store_bundle(runtime::Certificates bundle);
  runtime::Result<void> store_bootstrap_state(const BootstrapState& state);
  // One write for all of it (after an attestation).
  runtime::Result<void> store(AgentData data);

 private:
  Storage(std::string path, AgentData data) : path_(std::move(path)), data_(std::move(data)) {}
  std::string path_;
  AgentData data_;
};

}  // namespace steeple::agent
