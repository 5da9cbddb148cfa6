// The two kinds of connection to the server (server-sync 1.5): for attestation, without a client certificate; for all
// else, mutual TLS with the agent SVID of the moment. Bundle and SVID are read at each handshake. I/O thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/node/bundle_source.h"
#include "agent/server/rpc_channel.h"
#include "runtime/core/clock.h"
#include "runtime/core/log.h"
#include "runtime/tls/client_context.h"

namespace steeple::agent {

struct ServerAddress {
  std::string host;  // name or address, IPv6 without brackets
  std::uint16_t port = 0;
  std::string authority() const;  // "host:port", IPv6 in brackets
};

using AttestationChannelFactory = std::function<std::unique_ptr<RpcChannel>(ServerTrust trust)>;
using AuthoritiesProvider = std::function<runtime::Certificates()>;

// What they refer to outlives the factories and the channels made by them.
class ServerLinks {
 public:
  ServerLinks(runtime::Loop& loop, const runtime::Clock& clock, ServerAddress address, TrustDomain trust_domain)
      : loop_(loop), clock_(clock), address_(std::move(address)), trust_domain_(std::move(trust_domain)) {}

  // `log`: of subsystem "attestor"; each handshake of an insecure bootstrap says so.
  std::unique_ptr<runtime::Connector> attestation_connector(ServerTrust trust, runtime::Logger log) const;

  AttestationChannelFactory attestation_channels(runtime::Logger log) const;
  // One context for all channels, which in an outage come and go with each attempt.
  RpcChannelFactory agent_channels(runtime::IdentityProvider identity, AuthoritiesProvider authorities) const;

 private:
  using TlsContext = runtime::Result<std::shared_ptr<runtime::TlsClientContext>>;
  static TlsContext tls_context(runtime::Verifier verifier, runtime::IdentityProvider identity);
  TlsContext agent_context(runtime::IdentityProvider identity, AuthoritiesProvider authorities) const;
  std::unique_ptr<runtime::Connector> connector(TlsContext context) const;
  runtime::grpc::ChannelOptions channel_options() const;
  runtime::Loop& loop_;
  const runtime::Clock& clock_;
  ServerAddress address_;
  TrustDomain trust_domain_;
};

}  // namespace steeple::agent
