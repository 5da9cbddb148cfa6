#include "agent/keys/key_slots.h"

namespace steeple::agent {

std::string next_agent_key_slot(const std::optional<ManagedKey>& current) {
  return std::string(current && current->id == kAgentKeySlotA ? kAgentKeySlotB : kAgentKeySlotA);
}

runtime::Result<ManagedKey> generate_agent_key(KeyManager& manager, const std::optional<ManagedKey>& current) {
  return manager.generate(next_agent_key_slot(current), runtime::KeyType::kEcP256);
}

}  // namespace steeple::agent
