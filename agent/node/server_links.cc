#include "agent/node/server_links.h"

#include "agent/spiffe/server_verifier.h"
#include "runtime/tls/tls_transport.h"

namespace steeple::agent {

namespace {

using runtime::Error;
using runtime::Result;

// Stands in for a connector that could not be made, so that the cause reaches the log where all others do.
class BrokenConnector final : public runtime::Connector {
 public:
  explicit BrokenConnector(Error cause) : cause_(std::move(cause)) {}
  runtime::Task<Result<std::unique_ptr<runtime::Transport>>> connect(runtime::Deadline, runtime::StopToken) override {
    co_return cause_;
  }

 private:
  Error cause_;
};

runtime::Verifier make_announced_insecure_verifier(SpiffeId expected, runtime::Logger log) {
  return [verify = make_insecure_server_verifier(std::move(expected)),
          log = std::move(log)](std::span<const runtime::Bytes> chain) {
    log.warning("Insecure bootstrap enabled; skipping server certificate verification");
    return verify(chain);
  };
}

}  // namespace

std::string ServerAddress::authority() const {
  bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

ServerLinks::TlsContext ServerLinks::tls_context(runtime::Verifier verifier, runtime::IdentityProvider identity) {
  runtime::TlsClientContext::Options options;
  options.identity = std::move(identity);
  options.verifier = std::move(verifier);
  return runtime::TlsClientContext::make(std::move(options));
}

std::unique_ptr<runtime::Connector> ServerLinks::connector(TlsContext context) const {
  if (!context) return std::make_unique<BrokenConnector>(std::move(context.error()));
  runtime::TlsConnector::Target target;
  target.host = address_.host;
  target.port = address_.port;
  return std::make_unique<runtime::TlsConnector>(loop_, std::move(target), std::move(*context));
}

std::unique_ptr<runtime::Connector> ServerLinks::attestation_connector(ServerTrust trust, runtime::Logger log) const {
  SpiffeId expected = server_id(trust_domain_);
  if (!trust) return connector(tls_context(make_announced_insecure_verifier(std::move(expected), std::move(log)), {}));
  auto authorities = [fixed = std::move(*trust)] { return fixed; };
  auto now = [&clock = clock_] { return clock.wall_now(); };
  return connector(tls_context(make_server_verifier(std::move(expected), std::move(authorities), std::move(now)), {}));
}

ServerLinks::TlsContext ServerLinks::agent_context(runtime::IdentityProvider identity,
                                                   AuthoritiesProvider authorities) const {
  auto now = [&clock = clock_] { return clock.wall_now(); };
  return tls_context(make_server_verifier(server_id(trust_domain_), std::move(authorities), std::move(now)),
                     std::move(identity));
}

runtime::grpc::ChannelOptions ServerLinks::channel_options() const {
  runtime::grpc::ChannelOptions options;
  options.authority = address_.authority();
  return options;
}

AttestationChannelFactory ServerLinks::attestation_channels(runtime::Logger log) const {
  return [this, log = std::move(log)](ServerTrust trust) {
    return make_rpc_channel(loop_, attestation_connector(std::move(trust), log), channel_options());
  };
}

RpcChannelFactory ServerLinks::agent_channels(runtime::IdentityProvider identity,
                                              AuthoritiesProvider authorities) const {
  std::shared_ptr<runtime::TlsClientContext> context;
  return [this, identity = std::move(identity), authorities = std::move(authorities), context]() mutable {
    TlsContext made = context ? TlsContext(context) : agent_context(identity, authorities);
    if (made) context = *made;
    return make_rpc_channel(loop_, connector(std::move(made)), channel_options());
  };
}

}  // namespace steeple::agent
