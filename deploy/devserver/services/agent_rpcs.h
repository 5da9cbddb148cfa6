// Shared between the two halves of the Agent service, and with the SVID service.
#pragma once

#include <string>

#include "agent/spiffe/spiffe_id.h"
#include "deploy/devserver/services/context.h"

namespace spire::api::types {
class X509SVID;
}

namespace steeple::devserver {

runtime::Task<runtime::grpc::Status> attest_agent(ServerContext& context, runtime::grpc::ServerCall& call,
                                                  const Caller& caller);

// An agent's SVID for the key of this CSR (DER). Its signature is not checked, as in the real server (server-sync 2.3).
runtime::Result<runtime::Certificate, runtime::grpc::Status> sign_agent_svid(ServerContext& context,
                                                                             const std::string& id,
                                                                             const std::string& csr);
void set_svid(spire::api::types::X509SVID& out, const agent::SpiffeId& id, const runtime::Certificate& svid);

}  // namespace steeple::devserver
