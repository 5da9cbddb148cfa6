// Keys in DIRECTORY/keys.json, in the Go agent's format, so that each agent starts from the other's file
// (server-sync 6.3). Written by atomic replacement, mode 0600. A file that cannot be read as keys is kept aside
// (keys.json.damaged-N) and the manager goes on without keys: the agent attests anew if it may. I/O thread only.
#pragma once

#include <map>

#include "agent/keys/key_manager.h"
#include "runtime/core/log.h"

namespace steeple::agent {

class DiskKeyManager final : public KeyManager {
 public:
  // `directory must be configured` when empty; `directory validation failed: ...` when it cannot be made and written
  // to.
  static runtime::Result<std::unique_ptr<DiskKeyManager>> open(const std::string& directory,
                                                               const runtime::Logger& log);

  std::string_view name() const override { return "disk"; }
  runtime::Result<ManagedKey> generate(const std::string& id, runtime::KeyType type) override;
  std::vector<ManagedKey> keys() const override;
  std::optional<ManagedKey> find(std::string_view id) const override;
  bool survives_restart() const override { return true; }

 private:
  using Keys = std::map<std::string, runtime::PrivateKey, std::less<>>;
  DiskKeyManager(std::string path, Keys keys) : path_(std::move(path)), keys_(std::move(keys)) {}
  std::string path_;
  Keys keys_;
};

}  // namespace steeple::agent
