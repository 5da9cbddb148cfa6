#include "agent/keys/key_manager.h"

namespace steeple::agent {

std::optional<ManagedKey> find_by_public_key(std::vector<ManagedKey> keys, runtime::BytesView spki) {
  for (ManagedKey& key : keys) {
    if (runtime::same_public_key(key.key.public_key(), spki)) return std::move(key);
  }
  return std::nullopt;
}

}  // namespace steeple::agent
