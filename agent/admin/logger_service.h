// spire.api.agent.logger.v1.Logger on the admin socket (endpoints 5.4): reads and sets the level of the whole log. Who
// may open the socket may do so. Owned by the composition root. I/O thread only.
#pragma once

#include "runtime/core/log.h"
#include "runtime/grpc/service.h"

namespace steeple::agent {

class LoggerService {
 public:
  explicit LoggerService(runtime::Logger log) : log_(std::move(log)) {}
  void add_to(runtime::grpc::ServiceTable& table);

  runtime::Task<runtime::grpc::Status> get(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> set(runtime::grpc::ServerCall& call);
  runtime::Task<runtime::grpc::Status> reset(runtime::grpc::ServerCall& call);

 private:
  runtime::Task<runtime::grpc::Status> answer(runtime::grpc::ServerCall& call) const;
  runtime::Logger log_;
};

}  // namespace steeple::agent
