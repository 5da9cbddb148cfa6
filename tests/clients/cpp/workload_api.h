// The Workload API by gRPC, at SPIFFE_ENDPOINT_SOCKET. A call that fails throws the agent's message.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "workload.grpc.pb.h"

class WorkloadApi {
 public:
  WorkloadApi();

  X509SVIDResponse x509_svid();
  JWTBundlesResponse jwt_bundles();
  JWTSVID jwt_svid(const std::string& audience);
  std::string validate(const std::string& audience, const std::string& token);  // the token's SPIFFE ID

  // Calls `each` with every update until it returns false; a stream that ends is opened again.
  void watch(const std::function<bool(const X509SVIDResponse&)>& each);

 private:
  std::unique_ptr<SpiffeWorkloadAPI::Stub> stub_;
};
