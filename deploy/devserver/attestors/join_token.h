// join_token (attestation 3.2): the payload is the token, there is no challenge, and the agent's ID holds the token.
#pragma once

#include "deploy/devserver/attestors/attestor.h"

namespace steeple::devserver {

std::unique_ptr<AgentAttestor> make_join_token_attestor();

}  // namespace steeple::devserver
