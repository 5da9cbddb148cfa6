// Counters of the calls that the agent serves: rpc.SERVICE.METHOD by status with its elapsed time, and each API's
// connection(s) (config-cli 6.2, 6.3). Owned by Telemetry; outlives the servers. I/O thread only.
#pragma once

#include <string>
#include <unordered_map>

#include "runtime/core/metrics.h"
#include "runtime/grpc/call_observer.h"

namespace steeple::agent {

// "/SpiffeWorkloadAPI/FetchX509SVID" -> "rpc.workload_api.fetch_x509svid"
std::string rpc_metric_name(std::string_view path);

class RpcMetrics final : public runtime::grpc::CallObserver {
 public:
  explicit RpcMetrics(runtime::Metrics& metrics);
  void call_began(const runtime::grpc::Method& method) override;
  // Of FetchX509SVID: the first stage of a first SVID.
  void connection_used(const runtime::grpc::Method& method, std::chrono::nanoseconds since_accepted) override;
  // A stream that its caller ended counts as OK, as upstream's handlers return nothing then.
  void call_ended(const runtime::grpc::Method& method, runtime::grpc::StatusCode status,
                  std::chrono::nanoseconds elapsed) override;

 private:
  struct Api {
    runtime::Metric* begun;
    runtime::Metric* open;
    double open_count = 0;
  };
  struct OfMethod {
    runtime::CallMetric calls;
    Api* api;  // none: health, reflection
  };
  OfMethod& of(std::string_view path);
  Api* api_of(std::string_view service);
  runtime::Metrics& metrics_;
  runtime::Metric* accepted_;
  runtime::Metric* without_entry_;
  std::unordered_map<std::string_view, Api> apis_;
  std::unordered_map<std::string_view, OfMethod> methods_;  // by path; paths are static
};

}  // namespace steeple::agent
