// What the stock agent's admin socket answered to logger and debug calls, asked again of ours over both engines.
#include <catch2/catch.hpp>

#include "agent/admin/debug_service.h"
#include "agent/admin/logger_service.h"
#include "spire/agent/debug/v1/debug.pb.h"
#include "spire/api/agent/logger/v1/logger.pb.h"
#include "tests/fakes/endpoint_world.h"
#include "tests/fakes/recorded_calls.h"
#include "tests/fakes/test_authority.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using Json = RecordedCall::Json;
namespace types = spire::api::types;

namespace {

Bytes request_of(const Json& recorded) {
  auto level = recorded.get_optional<std::string>("newLevel");
  if (!level) return {};
  spire::api::agent::logger::v1::SetLogLevelRequest request;
  types::LogLevel named = types::UNSPECIFIED;
  if (!types::LogLevel_Parse(*level, &named)) named = static_cast<types::LogLevel>(std::stoi(*level));
  request.set_new_level(named);
  return to_bytes(as_bytes(request.SerializeAsString()));
}

void check_logger(const Bytes& message, const Json& recorded) {
  types::Logger logger;
  REQUIRE(logger.ParseFromArray(message.data(), static_cast<int>(message.size())));
  CHECK(types::LogLevel_Name(logger.current_level()) == recorded.get<std::string>("current_level"));
  CHECK(types::LogLevel_Name(logger.launch_level()) == recorded.get<std::string>("launch_level"));
}

void check_debug(const Bytes& message, const Json& recorded) {
  spire::agent::debug::v1::GetInfoResponse info;
  REQUIRE(info.ParseFromArray(message.data(), static_cast<int>(message.size())));
  CHECK(info.svids_count() == recorded.get<int>("svids_count"));
  CHECK(info.cached_x509_svids_count() == recorded.get<int>("cached_x509_svids_count"));
  CHECK(info.cached_jwt_svids_count() == recorded.get<int>("cached_jwt_svids_count"));
  CHECK(info.last_sync_success() > 0);
  const Json& chain = recorded.get_child("svid_chain");
  REQUIRE(static_cast<std::size_t>(info.svid_chain_size()) == chain.size());
  int at = 0;
  for (const auto& [unused, certificate] : chain) {
    const auto& ours = info.svid_chain(at++);
    CHECK(ours.id().trust_domain() == certificate.get<std::string>("id.trust_domain"));
    CHECK(ours.id().path().empty() == certificate.get<std::string>("id.path", "").empty());
    CHECK(ours.expires_at() > 0);
  }
}

}  // namespace

TEST_CASE("Logger and debug calls are answered as recorded") {
  for (Backend backend : available_backends()) {
    Loop loop;
    SystemClock clock;
    std::string lines;
    Logger log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kDefault);
    TestAuthority authority("example.org");
    const auto svid = authority.svid("/spire/agent/x509pop/1");
    LoggerService logger(log);
    DebugService debug(
        clock,
        [&] {
          DebugFacts facts;
          facts.svid = {*Certificate::parse(svid->leaf())};
          facts.authorities = authority.bundle()->certificates();
          facts.x509_svids = 15;
          facts.jwt_svids = 24;
          facts.last_sync = clock.wall_now();
          return facts;
        },
        log);
    steeple::runtime::grpc::ServiceTable table;
    logger.add_to(table);
    debug.add_to(table);
    EndpointWorld world(loop, backend, table, log);
    auto calls = read_recorded_calls(std::string(STEEPLE_TEST_DATA) + "/admin/logger-debug.jsonl");
    REQUIRE(calls.size() == 19);
    for (RecordedCall& call : calls) {
      INFO(call.id());
      call.encoded_request = request_of(call.json.get_child("request"));
      CallOutcome outcome = run_until_done(loop, make_recorded_call(world.channel(), call));
      REQUIRE(outcome.status);
      CHECK(to_string(outcome.status->code()) == call.code());
      CHECK(outcome.status->message() == call.message());
      const Json* recorded = call.first_message();
      REQUIRE((recorded != nullptr) == outcome.message.has_value());
      if (recorded == nullptr) continue;
      const bool is_debug = call.path().find("Debug") != std::string::npos;
      is_debug ? check_debug(*outcome.message, *recorded) : check_logger(*outcome.message, *recorded);
    }
  }
}
