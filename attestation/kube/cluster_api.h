// The API server of the cluster this program runs in or is configured for (find_kube_access), found at first use and
// looked for again until it is: an agent may start before its token is there. Has workers of its own, so that an API
// server that hangs holds up nothing but its callers. I/O thread only.
#pragma once

#include <optional>

#include "attestation/kube/http_api.h"

namespace steeple::attestation {

class ClusterApi final : public KubeApi {
 public:
  // `threads`: how many requests and watches may be under way at once; others wait for them.
  ClusterApi(runtime::Loop& loop, Environment environment, unsigned threads);

  runtime::Result<void> ready() override;  // "unable to load Kubernetes client config: ..."
  runtime::Task<runtime::Result<std::string>> call(KubeRequest request, runtime::Deadline deadline,
                                                   runtime::StopToken stop) override;
  runtime::Task<runtime::Result<void>> watch(KubeRequest request, OnEvent on_event, runtime::Deadline deadline,
                                             runtime::StopToken stop) override;

 private:
  runtime::Loop& loop_;
  Environment environment_;
  runtime::WorkerPool workers_;
  runtime::HttpClient http_;
  std::optional<HttpKubeApi> api_;
};

}  // namespace steeple::attestation
