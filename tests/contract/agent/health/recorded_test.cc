// What the stock agent's health service answered, asked again of ours over both engines.
#include <catch2/catch.hpp>

#include "agent/health/health.h"
#include "grpc/health/v1/health.pb.h"
#include "tests/fakes/endpoint_world.h"
#include "tests/fakes/recorded_calls.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;

namespace {

Task<steeple::runtime::grpc::Status> denied() {
  co_return steeple::runtime::grpc::Status(steeple::runtime::grpc::StatusCode::kPermissionDenied, "no identity issued");
}

}  // namespace

TEST_CASE("Health answers as recorded") {
  std::vector<RecordedCall> calls = read_recorded_calls(std::string(STEEPLE_TEST_DATA) + "/grpc/health.jsonl");
  REQUIRE(calls.size() >= 9);
  for (Backend backend : available_backends()) {
    Loop loop;
    HealthService health(loop, [](Deadline, StopToken) { return denied(); }, Logger());
    steeple::runtime::grpc::ServiceTable table;
    health.add_to(table);
    EndpointWorld world(loop, backend, table, Logger());
    for (const RecordedCall& call : calls) {
      INFO(call.id());
      CallOutcome outcome = run_until_done(loop, make_recorded_call(world.channel(), call));
      REQUIRE(outcome.status);
      CHECK(to_string(outcome.status->code()) == call.code());
      CHECK(outcome.status->message() == call.message());
      const RecordedCall::Json* recorded = call.first_message();
      REQUIRE((recorded != nullptr) == outcome.message.has_value());
      if (!recorded) continue;
      ::grpc::health::v1::HealthCheckResponse response;
      REQUIRE(response.ParseFromArray(outcome.message->data(), static_cast<int>(outcome.message->size())));
      CHECK(recorded->get<std::string>("status") == "SERVING");
      CHECK(response.status() == ::grpc::health::v1::HealthCheckResponse::SERVING);
    }
  }
}
