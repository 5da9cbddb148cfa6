// A KubeApi over HTTPS. A connection is kept for the next request; the proxy of the environment is not used. A watch
// holds one of the client's workers while it lasts. I/O thread only.
#pragma once

#include "attestation/kube/access.h"
#include "attestation/kube/api.h"

namespace steeple::attestation {

class HttpKubeApi final : public KubeApi {
 public:
  // `http` outlives this object.
  HttpKubeApi(runtime::Loop& loop, runtime::HttpClient& http, KubeAccessSource access)
      : loop_(loop), http_(http), access_(std::move(access)) {}
  runtime::Task<runtime::Result<std::string>> call(KubeRequest request, runtime::Deadline deadline,
                                                   runtime::StopToken stop) override;
  runtime::Task<runtime::Result<void>> watch(KubeRequest request, OnEvent on_event, runtime::Deadline deadline,
                                             runtime::StopToken stop) override;

 private:
  runtime::Result<runtime::HttpRequest> prepare(KubeRequest request);
  runtime::Loop& loop_;
  runtime::HttpClient& http_;
  KubeAccessSource access_;
};

}  // namespace steeple::attestation
