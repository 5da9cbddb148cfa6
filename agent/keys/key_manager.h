// Keeps the agent's own keys under ids (server-sync 6.3). Keys are used in this process, so a manager hands out
// PrivateKey values. Calls are rare and quick (a file of two keys); I/O thread only. Later kinds (external managers)
// add a folder here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"
#include "runtime/tls/keys.h"

namespace steeple::agent {

class ManagedKey {
 public:
  ManagedKey(std::string key_id, runtime::PrivateKey private_key)
      : id(std::move(key_id)), key(std::move(private_key)) {}
  std::string id;
  runtime::PrivateKey key;
};

class KeyManager {
 public:
  virtual ~KeyManager() = default;
  virtual std::string_view name() const = 0;  // "disk", "memory"
  // Replaces the key of that id, and keeps it as the manager does; on failure the old key stays.
  virtual runtime::Result<ManagedKey> generate(const std::string& id, runtime::KeyType type) = 0;
  virtual std::vector<ManagedKey> keys() const = 0;  // sorted by id
  virtual std::optional<ManagedKey> find(std::string_view id) const = 0;
  virtual bool survives_restart() const = 0;
};

// The key whose public half is this one (an SVID's), if it is among them.
std::optional<ManagedKey> find_by_public_key(std::vector<ManagedKey> keys, runtime::BytesView spki);

}  // namespace steeple::agent
