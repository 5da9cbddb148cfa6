#include "agent/health/health.h"

#include "agent/endpoints/call_log.h"
#include "agent/endpoints/status_text.h"
#include "grpc/health/v1/health.pb.h"

namespace steeple::agent {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;
using runtime::Deadline;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

Task<Status> check(void* service, ServerCall& call) { return static_cast<HealthService*>(service)->check(call); }

// The request is looked at before the method is found missing.
bool decodes(const ServerCall& call) {
  HealthCheckRequest request;
  return request.ParseFromArray(call.request().data(), static_cast<int>(call.request().size()));
}

Task<Status> watch(void*, ServerCall& call) {
  if (!decodes(call)) co_return status_text::malformed_stream_request();
  co_return Status(StatusCode::kUnimplemented, "method Watch not implemented");
}

Task<Status> list(void*, ServerCall& call) {
  if (!decodes(call)) co_return status_text::malformed_unary_request();
  co_return Status(StatusCode::kUnimplemented, "method List not implemented");
}

Task<Status> answer(ServerCall& call, bool serving) {
  HealthCheckResponse response;
  response.set_status(serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  std::string encoded = response.SerializeAsString();
  runtime::Result<void> sent = co_await call.send(runtime::grpc::make_message(runtime::as_bytes(encoded)));
  if (!sent) co_return status_text::of_wait(sent.error());
  co_return Status::ok();
}

}  // namespace

HealthService::HealthService(runtime::Loop& loop, HealthProbe probe, const runtime::Logger& log)
    : loop_(loop), probe_(std::move(probe)), log_(log.with_subsystem("endpoints")) {}

void HealthService::add_to(runtime::grpc::ServiceTable& table) {
  table.add(this, {{"/grpc.health.v1.Health/Check", MethodKind::kUnary, &agent::check},
                   {"/grpc.health.v1.Health/Watch", MethodKind::kServerStream, &watch},
                   {"/grpc.health.v1.Health/List", MethodKind::kUnary, &list}});
}

Task<Status> HealthService::check(ServerCall& call) {
  CallLog log(log_, call);
  HealthCheckRequest request;
  if (!request.ParseFromArray(call.request().data(), static_cast<int>(call.request().size())))
    co_return status_text::malformed_unary_request();
  if (!request.service().empty()) {
    log.error("Invalid argument: per-service health is not supported");
    co_return Status(StatusCode::kInvalidArgument, "per-service health is not supported");
  }
  if (!probe_) co_return co_await answer(call, true);
  Deadline deadline = call.deadline().sooner(Deadline::after(loop_.now(), kHealthProbeWait));
  Status probed = co_await probe_(deadline, call.stop());
  if (call.stop().stop_requested()) co_return status_text::of_wait(call.stop().error());
  bool serving = probed.is_ok() || probed.code() == StatusCode::kPermissionDenied;
  if (!serving) {
    log.warning("Health check failed",
                {{"error", probed.text()}, {"reason", "unable to fetch X.509 context from Workload API"}});
  }
  co_return co_await answer(call, serving);
}

}  // namespace steeple::agent
