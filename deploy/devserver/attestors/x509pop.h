// x509pop in mode external_pki (attestation 3.5): attestation/node/x509pop checks, this names the agent.
#pragma once

#include "attestation/node/x509pop/verifier.h"
#include "deploy/devserver/attestors/attestor.h"
#include "runtime/core/clock.h"

namespace steeple::devserver {

// What the factory refers to must outlive the attestors it makes.
std::unique_ptr<AgentAttestor> make_x509pop_attestor(const attestation::x509pop::VerifierOptions& options,
                                                     std::string trust_domain, const runtime::Clock& clock);

}  // namespace steeple::devserver
