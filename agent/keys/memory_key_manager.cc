#include "agent/keys/memory_key_manager.h"

#include "agent/keys/keys_file.h"

namespace steeple::agent {

using runtime::Result;

Result<ManagedKey> MemoryKeyManager::generate(const std::string& id, runtime::KeyType type) {
  if (keys_.size() >= kKeysMax && !keys_.contains(id)) {
    return runtime::Error(runtime::ErrorCode::kLimit, "too many keys");
  }
  STEEPLE_TRY(key, runtime::PrivateKey::generate(type));
  keys_.insert_or_assign(id, key);
  return ManagedKey(id, std::move(key));
}

std::vector<ManagedKey> MemoryKeyManager::keys() const {
  std::vector<ManagedKey> out;
  for (const auto& [id, key] : keys_) out.emplace_back(id, key);
  return out;
}

std::optional<ManagedKey> MemoryKeyManager::find(std::string_view id) const {
  auto found = keys_.find(id);
  if (found == keys_.end()) return std::nullopt;
  return ManagedKey(found->first, found->second);
}

}  // namespace steeple::agent
