// grpc.health.v1.Health on the public socket (endpoints 4). Check asks whether the Workload API would serve the agent
// itself: OK and PermissionDenied are SERVING, anything else within 5 s is NOT_SERVING (upstream asks over its own
// socket; here the same is asked in the process). Watch and List are not implemented, as upstream. Owned by the
// composition root; outlives the server. I/O thread only.
#pragma once

#include <chrono>
#include <functional>

#include "runtime/core/log.h"
#include "runtime/grpc/service.h"
#include "runtime/loop/loop.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kHealthProbeWait{5};

// The Workload API's answer to the agent itself. Null: the Workload API is disabled, and the agent always serves.
using HealthProbe = std::function<runtime::Task<runtime::grpc::Status>(runtime::Deadline, runtime::StopToken)>;

class HealthService {
 public:
  HealthService(runtime::Loop& loop, HealthProbe probe, const runtime::Logger& log);

  void add_to(runtime::grpc::ServiceTable& table);
  runtime::Task<runtime::grpc::Status> check(runtime::grpc::ServerCall& call);

 private:
  runtime::Loop& loop_;
  HealthProbe probe_;
  runtime::Logger log_;
};

}  // namespace steeple::agent
