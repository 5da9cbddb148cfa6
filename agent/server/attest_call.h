// The AttestAgent exchange on a connection without client certificate (server-sync 2.2), and the GetBundle that follows
// it on the same connection. The exchange is bounded: at most kAttestRoundsMax challenges.
#pragma once

#include <functional>
#include <string>

#include "agent/server/rpc_channel.h"
#include "agent/server/server_error.h"
#include "agent/spiffe/bundle.h"

namespace steeple::agent {

inline constexpr int kAttestRoundsMax = 64;

class AttestRequest {
 public:
  AttestRequest(std::string attestor, runtime::Bytes evidence, runtime::Bytes request)
      : type(std::move(attestor)), payload(std::move(evidence)), csr(std::move(request)) {}
  std::string type;  // the node attestor's name
  runtime::Bytes payload;
  runtime::Bytes csr;
};

class AttestResult {
 public:
  AttestResult(runtime::Bytes svid_chain, bool can_reattest)
      : chain(std::move(svid_chain)), reattestable(can_reattest) {}
  runtime::Bytes chain;  // concatenated DER, leaf first; at least one certificate, all of them parse
  bool reattestable;
};

using ChallengeAnswer = std::function<runtime::Result<runtime::Bytes>(runtime::BytesView challenge)>;

runtime::Task<ServerResult<AttestResult>> attest_agent(RpcChannel& channel, AttestRequest request,
                                                       ChallengeAnswer answer, runtime::Deadline deadline,
                                                       runtime::StopToken stop);

// Error prefix `failed to get updated bundle: `.
runtime::Task<ServerResult<Bundle>> get_bundle_after_attestation(RpcChannel& channel, runtime::Deadline deadline,
                                                                 runtime::StopToken stop);

}  // namespace steeple::agent
