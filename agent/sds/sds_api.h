// Envoy's SecretDiscoveryService v3 on the public socket (endpoints 3): attestation, rate limit, subscription, then the
// stream's state machine until the caller leaves. No security header, no hint filter. A stream holds two small tasks:
// one that reads requests, one that waits for updates; the call's own sends. Owned by the composition root; outlives
// the server. I/O thread only.
#pragma once

#include <string>

#include "agent/cache/identity_source.h"
#include "agent/endpoints/caller.h"
#include "agent/endpoints/rate_limit.h"
#include "agent/sds/sds_responses.h"
#include "runtime/core/log.h"
#include "runtime/grpc/service.h"

namespace steeple::agent {

inline constexpr std::string_view kStreamSecretsMethod =
    "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";
inline constexpr std::string_view kFetchSecretsMethod = "/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets";
inline constexpr std::string_view kDeltaSecretsMethod = "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets";

class SdsApi {
 public:
  // References outlive this object. `log` is the agent's; subsystem_name=endpoints is added here.
  SdsApi(runtime::Loop& loop, CallerAttestor& callers, IdentitySource& identities, RateLimiter& limits,
         SdsOptions options, const runtime::Logger& log);

  void add_to(runtime::grpc::ServiceTable& table);

  runtime::Task<runtime::grpc::Status> stream_secrets(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> fetch_secrets(runtime::grpc::ServerCall& call);

 private:
  struct Stream;
  using Opened = runtime::Result<std::unique_ptr<Subscription>, runtime::grpc::Status>;
  runtime::Task<Opened> open(runtime::grpc::ServerCall& call, CallLog log);
  runtime::Task<void> read_requests(Stream& stream);
  runtime::Task<void> watch_updates(Stream& stream);
  runtime::Task<runtime::grpc::Status> send_responses(Stream& stream);

  runtime::Loop& loop_;
  CallerAttestor& callers_;
  IdentitySource& identities_;
  RateLimiter& limits_;
  runtime::Logger log_;
  SdsResponses responses_;
};

}  // namespace steeple::agent
