#include <catch2/catch.hpp>

#include "agent/admin/debug_service.h"
#include "agent/admin/logger_service.h"
#include "runtime/task/blocking.h"
#include "spire/agent/debug/v1/debug.pb.h"
#include "spire/api/agent/logger/v1/logger.pb.h"
#include "tests/fakes/fake_server_call.h"
#include "tests/fakes/test_authority.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using spire::agent::debug::v1::GetInfoResponse;
using steeple::runtime::grpc::Status;
using steeple::runtime::grpc::StatusCode;

namespace {

struct LoggerWorld {
  LoggerWorld() : log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kDefault), service(log) {}
  // The level after the call, or its refusal.
  std::pair<Status, spire::api::types::LogLevel> set(int level) {
    FakeServerCall call(loop, "/spire.api.agent.logger.v1.Logger/SetLogLevel", nullptr);
    spire::api::agent::logger::v1::SetLogLevelRequest request;
    request.set_new_level(static_cast<spire::api::types::LogLevel>(level));
    const std::string encoded = request.SerializeAsString();
    call.set_request(to_bytes(as_bytes(encoded)));
    Status status = run_until_done(loop, service.set(call));
    spire::api::types::Logger answer;
    if (!call.sent().empty())
      REQUIRE(answer.ParseFromArray(call.sent()[0].data(), static_cast<int>(call.sent()[0].size())));
    return {status, answer.current_level()};
  }
  Loop loop;
  std::string lines;
  Logger log;
  LoggerService service;
};

}  // namespace

TEST_CASE("The log level is set for the whole log, and set back") {
  LoggerWorld world;
  const Logger other = world.log.with_subsystem("other");
  for (int level = 1; level <= 7; ++level) {
    auto [status, now] = world.set(level);
    CHECK(status.is_ok());
    CHECK(now == level);
    CHECK(other.level() == static_cast<LogLevel>(level - 1));
  }
  FakeServerCall reset(world.loop, "/spire.api.agent.logger.v1.Logger/ResetLogLevel", nullptr);
  CHECK(run_until_done(world.loop, world.service.reset(reset)).is_ok());
  CHECK(other.level() == LogLevel::kDebug);
  CHECK(world.lines.find("msg=\"SetLogLevel Called\" method=SetLogLevel new_log_level=panic service=Logger\n") !=
        std::string::npos);
}

TEST_CASE("Levels that are none are refused as recorded") {
  LoggerWorld world;
  CHECK(world.set(0).first == Status(StatusCode::kInvalidArgument, "newLevel value cannot be LogLevel_UNSPECIFIED"));
  for (int level : {99, -1})
    CHECK(world.set(level).first == Status(StatusCode::kInvalidArgument, "unsupported log level"));
  CHECK(world.log.level() == LogLevel::kDebug);
}

TEST_CASE("Debug info has the agent's chain up to the root, or says why not") {
  Loop loop;
  SystemClock clock;
  TestAuthority authority("example.org");
  TestAuthority stranger("example.org");
  bool known = false;
  DebugService service(
      clock,
      [&] {
        DebugFacts facts;
        facts.svid = {*Certificate::parse(authority.svid("/spire/agent/x")->leaf())};
        facts.authorities = (known ? authority : stranger).bundle()->certificates();
        facts.x509_svids = 3;
        return facts;
      },
      Logger());
  FakeServerCall refused(loop, "/spire.agent.debug.v1.Debug/GetInfo", nullptr);
  Status status = run_until_done(loop, service.get_info(refused));
  CHECK(status.code() == StatusCode::kInternal);
  CHECK(status.message().starts_with("failed to verify agent SVID: x509svid: "));

  known = true;
  FakeServerCall call(loop, "/spire.agent.debug.v1.Debug/GetInfo", nullptr);
  CHECK(run_until_done(loop, service.get_info(call)).is_ok());
  GetInfoResponse info;
  REQUIRE(info.ParseFromArray(call.sent()[0].data(), static_cast<int>(call.sent()[0].size())));
  REQUIRE(info.svid_chain_size() == 2);
  CHECK(info.svid_chain(0).id().path() == "/spire/agent/x");
  CHECK(info.svid_chain(1).id().trust_domain() == "example.org");
  CHECK(info.svids_count() == 3);
  CHECK(info.cached_x509_svids_count() == 3);
}
