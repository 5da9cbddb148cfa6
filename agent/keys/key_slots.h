// The two slots of the agent SVID's key (server-sync 6.3): a new key never overwrites the one in use.
#pragma once

#include <optional>
#include <string>

#include "agent/keys/key_manager.h"

namespace steeple::agent {

inline constexpr std::string_view kAgentKeySlotA = "agent-svid-A";
inline constexpr std::string_view kAgentKeySlotB = "agent-svid-B";

// Slot A, unless the current key is in it.
std::string next_agent_key_slot(const std::optional<ManagedKey>& current);
// A new P-256 key in the next slot.
runtime::Result<ManagedKey> generate_agent_key(KeyManager& manager, const std::optional<ManagedKey>& current);

}  // namespace steeple::agent
