// A KubeApi over HTTPS. One connection is kept; the proxy of the environment is not used. I/O thread only.
#pragma once

#include "deploy/devserver/kube/access.h"
#include "deploy/devserver/kube/api.h"

namespace steeple::devserver {

class HttpKubeApi final : public KubeApi {
 public:
  // `http` outlives this object.
  HttpKubeApi(runtime::Loop& loop, runtime::HttpClient& http, KubeAccessSource access)
      : loop_(loop), http_(http), access_(std::move(access)) {}
  runtime::Task<runtime::Result<std::string>> call(KubeRequest request, runtime::Deadline deadline,
                                                   runtime::StopToken stop) override;

 private:
  runtime::Loop& loop_;
  runtime::HttpClient& http_;
  KubeAccessSource access_;
};

}  // namespace steeple::devserver
