// SpiffeWorkloadAPI on the public socket, the streams (endpoints 2.1, 2.2, 2.4, 2.6): security header, attestation,
// rate limit, subscription, then every update until the caller leaves. A stream never ends with OK. The method table's
// handlers work on this object, which keeps nothing of a call. Owned by the composition root; outlives the server. I/O
// thread only.
#pragma once

#include <string>
#include <vector>

#include "agent/cache/identity_source.h"
#include "agent/endpoints/caller.h"
#include "agent/endpoints/rate_limit.h"
#include "agent/workload_api/bundles_response.h"
#include "agent/workload_api/first_svid_stages.h"
#include "runtime/core/clock.h"
#include "runtime/core/log.h"
#include "runtime/grpc/service.h"

namespace steeple::agent {

inline constexpr std::string_view kFetchX509SvidMethod = "/SpiffeWorkloadAPI/FetchX509SVID";
inline constexpr std::string_view kFetchX509BundlesMethod = "/SpiffeWorkloadAPI/FetchX509Bundles";
inline constexpr std::string_view kFetchJwtBundlesMethod = "/SpiffeWorkloadAPI/FetchJWTBundles";

class WorkloadApi {
 public:
  struct Options {
    bool allow_unauthenticated_verifiers = false;
    std::vector<std::string> log_selectors;  // prefixes, such as "k8s:ns"
    FirstSvidSeen first_svid_seen;           // for metrics; may be empty
  };
  // All references outlive this object. `log` is the agent's; subsystem_name=endpoints is added here.
  WorkloadApi(CallerAttestor& callers, IdentitySource& identities, RateLimiter& limits, const runtime::Clock& clock,
              Options options, const runtime::Logger& log);

  void add_to(runtime::grpc::ServiceTable& table);

  // For the health service: whether the Workload API serves, seen by a caller as the agent itself is one. All attestors
  // attest it, and the first synchronisation is waited for; whether it has an entry does not count, so that no probe
  // asks the server for anything. Without a socket, a rate limit or a log line.
  runtime::Task<runtime::grpc::Status> probe(runtime::Deadline deadline, runtime::StopToken stop);

  // One call; `service` of the method table is this object.
  runtime::Task<runtime::grpc::Status> fetch_x509_svid(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> fetch_x509_bundles(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> fetch_jwt_bundles(runtime::grpc::ServerCall& call);

 private:
  struct Opened;
  runtime::Task<runtime::Result<Opened, runtime::grpc::Status>> open(runtime::grpc::ServerCall& call, CallLog log,
                                                                     FirstSvidTimer& timer);
  runtime::Task<runtime::grpc::Status> stream_bundles(runtime::grpc::ServerCall& call, BundleKind kind);
  runtime::grpc::Status no_identity(const runtime::grpc::ServerCall& call, const CallLog& log,
                                    const std::string& loggable) const;
  void log_fetched(const runtime::grpc::ServerCall& call, const CallLog& log, const WorkloadUpdate& update) const;

  CallerAttestor& callers_;
  IdentitySource& identities_;
  RateLimiter& limits_;
  const runtime::Clock& clock_;
  Options options_;
  runtime::Logger log_;
  BundlesResponses x509_bundles_{BundleKind::kX509};
  BundlesResponses jwt_bundles_{BundleKind::kJwt};
};

}  // namespace steeple::agent
