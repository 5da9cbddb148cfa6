#include "attestation/kube/cluster_api.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::size_t kRequestsQueuedMax = 10'000;

}  // namespace

ClusterApi::ClusterApi(runtime::Loop& loop, Environment environment, unsigned threads)
    : loop_(loop),
      environment_(std::move(environment)),
      workers_(loop, threads, kRequestsQueuedMax),
      http_(loop, workers_) {}

Result<void> ClusterApi::ready() {
  if (api_) return {};
  STEEPLE_TRY(access, runtime::with_context(find_kube_access(environment_), "unable to load Kubernetes client config"));
  api_.emplace(loop_, http_, std::move(access));
  return {};
}

Task<Result<std::string>> ClusterApi::call(KubeRequest request, Deadline deadline, StopToken stop) {
  STEEPLE_CO_CHECK(ready());
  co_return co_await api_->call(std::move(request), deadline, std::move(stop));
}

Task<Result<void>> ClusterApi::watch(KubeRequest request, OnEvent on_event, Deadline deadline, StopToken stop) {
  STEEPLE_CO_CHECK(ready());
  co_return co_await api_->watch(std::move(request), std::move(on_event), deadline, std::move(stop));
}

}  // namespace steeple::attestation
