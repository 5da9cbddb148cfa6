// Keys in memory only: gone with the process (server-sync 6.3).
#pragma once

#include <map>

#include "agent/keys/key_manager.h"

namespace steeple::agent {

class MemoryKeyManager final : public KeyManager {
 public:
  std::string_view name() const override { return "memory"; }
  runtime::Result<ManagedKey> generate(const std::string& id, runtime::KeyType type) override;
  std::vector<ManagedKey> keys() const override;
  std::optional<ManagedKey> find(std::string_view id) const override;
  bool survives_restart() const override { return false; }

 private:
  std::map<std::string, runtime::PrivateKey, std::less<>> keys_;
};

}  // namespace steeple::agent
