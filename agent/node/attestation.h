// One node attestation over a connection without client certificate (server-sync 2.2): new key in the free slot, CSR,
// the attestor's exchange, and the checks of what came back. Nothing is stored here. I/O thread only.
#pragma once

#include "agent/node/agent_svid.h"
#include "agent/node/retry_schedule.h"
#include "agent/server/attest_call.h"
#include "attestation/node/attestor.h"

namespace steeple::agent {

class AttestationError : public ServerError {
 public:
  AttestationError(ServerError error, RetryCause why) : ServerError(std::move(error)), cause_(why) {}
  explicit AttestationError(ServerError error);  // the cause follows from the class
  RetryCause cause() const { return cause_; }
  // The server will not have us: at the first attestation this ends the process (server-sync 2.6).
  bool denied() const;

 private:
  RetryCause cause_;
};

template <class T>
using AttestationResult = runtime::Result<T, AttestationError>;

// What an attestation is made with. All references outlive the exchange.
struct AttestationTools {
  KeyManager& keys;
  attestation::NodeAttestor& attestor;
  const runtime::Clock& clock;
  TrustDomain trust_domain;
};

// `current` is the key in use, which stays. Stops between two messages when `stop` fires.
runtime::Task<AttestationResult<SharedAgentSvid>> attest_node(const AttestationTools& tools, RpcChannel& channel,
                                                              std::optional<ManagedKey> current,
                                                              runtime::Deadline deadline, runtime::StopToken stop);

// `nodeattestor(NAME): ` and the plugin's text, as a gRPC status prints it.
runtime::Error plugin_error(std::string_view attestor, const runtime::Error& error);

// A key in the free slot and the CSR for it.
class KeyRequest {
 public:
  KeyRequest(ManagedKey new_key, runtime::Bytes request) : key(std::move(new_key)), csr(std::move(request)) {}
  ManagedKey key;
  runtime::Bytes csr;
};
runtime::Result<KeyRequest> make_key_request(KeyManager& keys, const std::optional<ManagedKey>& current);

// RenewAgent refused because the node must attest again (AGENT_MUST_REATTEST), read from the details.
bool must_reattest(const ServerError& error);

}  // namespace steeple::agent
