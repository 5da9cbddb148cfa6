// spire.agent.debug.v1.Debug on the admin socket (endpoints 5.3): what the agent knows of itself. An answer is kept for
// five seconds. Owned by the composition root. I/O thread only.
#pragma once

#include <functional>
#include <optional>

#include "runtime/core/clock.h"
#include "runtime/core/log.h"
#include "runtime/grpc/service.h"
#include "runtime/tls/x509.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kDebugInfoKept{5};

struct DebugFacts {
  runtime::Certificates svid;         // the agent's own chain, leaf first; empty before there is one
  runtime::Certificates authorities;  // of its trust domain
  std::size_t x509_svids = 0;
  std::size_t jwt_svids = 0;
  std::optional<runtime::WallTime> last_sync;
};

class DebugService {
 public:
  // `clock` outlives this object; the uptime counts from here.
  DebugService(const runtime::Clock& clock, std::function<DebugFacts()> facts, const runtime::Logger& log);
  void add_to(runtime::grpc::ServiceTable& table);

  runtime::Task<runtime::grpc::Status> get_info(runtime::grpc::ServerCall& call);

 private:
  runtime::Result<runtime::SharedBytes> make_answer() const;

  const runtime::Clock& clock_;
  std::function<DebugFacts()> facts_;
  runtime::Logger log_;
  runtime::SteadyTime started_;
  runtime::SharedBytes kept_;
  runtime::SteadyTime kept_until_;
};

}  // namespace steeple::agent
