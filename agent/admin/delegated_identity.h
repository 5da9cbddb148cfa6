// spire.api.agent.delegatedidentity.v1.DelegatedIdentity on the admin socket (endpoints 5.2): a caller whose SPIFFE ID
// is an authorised delegate is given the identities of other workloads, which it names by selectors or by a process id,
// and every bundle the agent knows. Keeps nothing of a call but its stream. Owned by the composition root; outlives the
// server. I/O thread only.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/admin/delegated_responses.h"
#include "agent/cache/bundle_feed.h"
#include "agent/cache/identity_source.h"
#include "agent/cache/jwt_source.h"
#include "agent/endpoints/caller.h"
#include "runtime/core/clock.h"
#include "runtime/grpc/service.h"

namespace steeple::agent {

class DelegatedIdentityService {
 public:
  // All references outlive this object. `delegates`: SPIFFE IDs, compared as text; empty: everybody is refused.
  DelegatedIdentityService(CallerAttestor& callers, IdentitySource& identities, JwtSource& tokens, BundleFeed& bundles,
                           std::vector<std::string> delegates, const runtime::Clock& clock, const runtime::Logger& log);
  // For metrics: how long a subscriber to X509-SVIDs waited for the first of them.
  using FirstUpdate = std::function<void(std::chrono::nanoseconds elapsed)>;
  void on_first_update(FirstUpdate first_update) { first_update_ = std::move(first_update); }
  void add_to(runtime::grpc::ServiceTable& table);

  // One call each; `service` of the method table is this object.
  runtime::Task<runtime::grpc::Status> subscribe_to_x509_svids(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> subscribe_to_x509_bundles(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> fetch_jwt_svids(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> subscribe_to_jwt_bundles(runtime::grpc::ServerCall& call);

 private:
  using SelectorsOrStatus = runtime::Result<attestation::Selectors, runtime::grpc::Status>;
  using IssuedOrStatus = runtime::Result<std::vector<delegated::IssuedJwt>, runtime::grpc::Status>;
  using EncodeBundles = runtime::SharedBytes (*)(const delegated::Bundles& bundles);

  // The caller's selectors, once it has proved to be a delegate.
  runtime::Task<SelectorsOrStatus> authorize(runtime::grpc::ServerCall& call, CallLog log);
  // Whether somebody with these selectors still is one.
  runtime::Task<runtime::grpc::Status> check_delegate(const attestation::Selectors& caller,
                                                      runtime::grpc::ServerCall& call, CallLog log);
  // Of the workload that the request names. `Request` has selectors and a pid.
  template <class Request>
  runtime::Task<SelectorsOrStatus> target(const Request& request, runtime::grpc::ServerCall& call, CallLog log);
  runtime::Task<runtime::grpc::Status> send_x509_svids(const WorkloadUpdate& update, runtime::grpc::ServerCall& call,
                                                       CallLog log);
  runtime::Task<IssuedOrStatus> issue(attestation::Selectors selectors, std::vector<std::string> audience,
                                      runtime::grpc::ServerCall& call, CallLog log);
  runtime::Task<runtime::grpc::Status> stream_bundles(runtime::grpc::ServerCall& call, EncodeBundles encode);

  CallerAttestor& callers_;
  IdentitySource& identities_;
  JwtSource& tokens_;
  BundleFeed& bundles_;
  std::vector<std::string> delegates_;  // sorted
  const runtime::Clock& clock_;
  runtime::Logger log_;
  FirstUpdate first_update_;
};

}  // namespace steeple::agent
