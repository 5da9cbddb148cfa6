#include "agent/health/health.h"

#include <catch2/catch.hpp>

#include "grpc/health/v1/health.pb.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"
#include "tests/fakes/fake_server_call.h"
#include "tests/fakes/own_peer.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;
using steeple::runtime::grpc::ServiceTable;
using steeple::runtime::grpc::Status;
using steeple::runtime::grpc::StatusCode;

namespace {

Task<Status> fixed(Status status) { co_return status; }
Task<Status> until_deadline(Loop& loop, Deadline deadline, StopToken stop) {
  Result<void> slept = co_await sleep_until(loop, Deadline::never().sooner(deadline), stop);
  co_return Status(StatusCode::kDeadlineExceeded, slept ? "context deadline exceeded" : slept.error().message());
}

struct World {
  World() : log(make_string_sink(&lines), LogLevel::kInfo, LogFormat::kDefault), peer(own_peer()) {}
  FakeServerCall& call(const std::string& service) {
    made = std::make_unique<FakeServerCall>(loop, "/grpc.health.v1.Health/Check", &peer);
    HealthCheckRequest request;
    request.set_service(service);
    made->set_request(to_bytes(as_bytes(request.SerializeAsString())));
    return *made;
  }
  Status check(HealthProbe probe, FakeServerCall& checked) {
    HealthService health(loop, std::move(probe), log);
    return run_until_done(loop, health.check(checked));
  }
  HealthCheckResponse::ServingStatus answered() {
    REQUIRE(made->sent().size() == 1);
    HealthCheckResponse response;
    REQUIRE(response.ParseFromArray(made->sent()[0].data(), static_cast<int>(made->sent()[0].size())));
    return response.status();
  }
  Loop loop;
  std::string lines;
  Logger log;
  Peer peer;
  std::unique_ptr<FakeServerCall> made;
};

HealthProbe answering(StatusCode code, std::string text) {
  return [code, text](Deadline, StopToken) { return fixed(Status(code, text)); };
}

}  // namespace

TEST_CASE("Health is SERVING when the Workload API answers or denies") {
  World world;
  CHECK(world.check(answering(StatusCode::kOk, ""), world.call("")).is_ok());
  CHECK(world.answered() == HealthCheckResponse::SERVING);
  CHECK(world.check(answering(StatusCode::kPermissionDenied, "no identity issued"), world.call("")).is_ok());
  CHECK(world.answered() == HealthCheckResponse::SERVING);
  CHECK(world.check(nullptr, world.call("")).is_ok());  // Workload API disabled
  CHECK(world.answered() == HealthCheckResponse::SERVING);
  CHECK(world.lines.empty());
}

TEST_CASE("Health is NOT_SERVING, with status OK, when the Workload API fails") {
  World world;
  CHECK(world.check(answering(StatusCode::kUnavailable, "workload attestation failed"), world.call("")).is_ok());
  CHECK(world.answered() == HealthCheckResponse::NOT_SERVING);
  CHECK(world.lines.find(
            "level=warning msg=\"Health check failed\" error=\"rpc error: code = Unavailable desc = workload "
            "attestation failed\" method=Check pid=") != std::string::npos);
  CHECK(world.lines.find("reason=\"unable to fetch X.509 context from Workload API\" service=Health "
                         "subsystem_name=endpoints") != std::string::npos);
}

TEST_CASE("Health of single services is not supported") {
  World world;
  for (const char* service : {"SpiffeWorkloadAPI", "foo", " "}) {
    Status status = world.check(answering(StatusCode::kOk, ""), world.call(service));
    CHECK(status == Status(StatusCode::kInvalidArgument, "per-service health is not supported"));
    CHECK(world.made->sent().empty());
  }
}

TEST_CASE("Health refuses a request that does not decode") {
  World world;
  FakeServerCall& call = world.call("");
  call.set_request({0xff});
  Status status = world.check(answering(StatusCode::kOk, ""), call);
  CHECK(status.code() == StatusCode::kInternal);
  CHECK(status.message() == "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
}

TEST_CASE("A method of Health that is not there reads its request first") {
  World world;
  HealthService health(world.loop, nullptr, world.log);
  ServiceTable table;
  health.add_to(table);
  const auto status_of = [&](const char* path, Bytes request) {
    FakeServerCall& call = world.call("");
    call.set_request(std::move(request));
    const ServiceTable::Entry* found = table.find(path);
    REQUIRE(found);
    return run_until_done(world.loop, found->method.handler(found->service, call));
  };
  CHECK(status_of("/grpc.health.v1.Health/Watch", {}) ==
        Status(StatusCode::kUnimplemented, "method Watch not implemented"));
  CHECK(status_of("/grpc.health.v1.Health/List", {}) ==
        Status(StatusCode::kUnimplemented, "method List not implemented"));
  CHECK(status_of("/grpc.health.v1.Health/Watch", {0xff}).message() ==
        "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data");
  CHECK(status_of("/grpc.health.v1.Health/List", {0xff}).message() ==
        "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
}

TEST_CASE("Health bounds its probe, and ends with a caller that leaves") {
  World world;
  Deadline given;
  Loop& loop = world.loop;
  FakeServerCall& call = world.call("");
  call.cancel(StopReason::kCallerCancelled);
  auto probe = [&](Deadline deadline, StopToken stop) {
    given = deadline;
    return until_deadline(loop, deadline, stop);
  };
  Status status = world.check(probe, call);
  CHECK(status == Status(StatusCode::kCancelled, "context canceled"));
  CHECK(given.left(loop.now()) <= kHealthProbeWait);
  CHECK_FALSE(given.is_never());
}
