// grpc.health.v1.Health on the private socket. A server that answers is healthy: its state is in memory and on a local
// disk.
#include "deploy/devserver/services/messages.h"
#include "grpc/health/v1/health.pb.h"

namespace steeple::devserver {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using runtime::grpc::MethodKind;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

Answer<HealthCheckResponse> check(ServerContext&, const Caller&, const HealthCheckRequest& request) {
  if (!request.service().empty()) return Status(StatusCode::kInvalidArgument, "per-service health is not supported");
  HealthCheckResponse response;
  response.set_status(HealthCheckResponse::SERVING);
  return response;
}

constexpr Rpc kRpcs[] = {
    {"/grpc.health.v1.Health/Check", MethodKind::kUnary, kLocal, &unary<HealthCheckRequest, check>},
};

}  // namespace

void add_health_service(RpcTable& table) { table.add(kRpcs); }

}  // namespace steeple::devserver
