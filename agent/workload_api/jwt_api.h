// SpiffeWorkloadAPI on the public socket, the JWT calls that are no streams: FetchJWTSVID and ValidateJWTSVID
// (endpoints 2.3, 2.5). Keeps nothing of a call. Owned by the composition root; outlives the server. I/O thread only.
#pragma once

#include <string>
#include <vector>

#include "agent/cache/identity_source.h"
#include "agent/cache/jwt_source.h"
#include "agent/endpoints/caller.h"
#include "agent/endpoints/rate_limit.h"
#include "runtime/core/clock.h"
#include "runtime/core/log.h"
#include "runtime/grpc/service.h"

class JWTSVIDRequest;

namespace steeple::agent {

inline constexpr std::string_view kFetchJwtSvidMethod = "/SpiffeWorkloadAPI/FetchJWTSVID";
inline constexpr std::string_view kValidateJwtSvidMethod = "/SpiffeWorkloadAPI/ValidateJWTSVID";

class JwtApi {
 public:
  struct Options {
    TrustDomain trust_domain;
    std::vector<std::string> allowed_foreign_claims;  // of other trust domains' tokens, beside sub, exp and aud
    std::vector<std::string> log_selectors;           // prefixes, such as "k8s:ns"
  };
  // All references outlive this object. `log` is the agent's.
  JwtApi(CallerAttestor& callers, IdentitySource& identities, JwtSource& tokens, RateLimiter& limits,
         const runtime::Clock& clock, Options options, const runtime::Logger& log);

  void add_to(runtime::grpc::ServiceTable& table);

  // One call; `service` of the method table is this object.
  runtime::Task<runtime::grpc::Status> fetch_jwt_svid(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> validate_jwt_svid(runtime::grpc::ServerCall& call);

 private:
  struct Issued {
    SharedEntry entry;
    SharedJwtSvid svid;
  };
  using Entries = std::vector<SharedEntry>;
  runtime::Task<runtime::Result<Entries, runtime::grpc::Status>> entitled(runtime::grpc::ServerCall& call, CallLog log,
                                                                          const std::string& wanted_id);
  static std::size_t encoded_size(const Issued& issued);
  static runtime::SharedBytes encode(const std::vector<Issued>& issued);

  CallerAttestor& callers_;
  IdentitySource& identities_;
  JwtSource& tokens_;
  RateLimiter& limits_;
  const runtime::Clock& clock_;
  Options options_;
  runtime::Logger log_;
};

}  // namespace steeple::agent
