#include "agent/health/agent_health.h"

#include <catch2/catch.hpp>

#include "tests/fakes/fake_clock.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using std::chrono_literals::operator""s;

namespace {

struct World {
  explicit World(bool apis_enabled = true)
      : health(clock, apis_enabled, Logger(make_string_sink(&lines), LogLevel::kInfo, LogFormat::kDefault)) {
    clock.set_steady(SteadyTime(1000s));
  }
  std::string live() { return std::to_string(health.live().status) + " " + health.live().body; }
  std::string ready() { return std::to_string(health.ready().status) + " " + health.ready().body; }
  // The messages logged since the last call, with their `error`, without time.
  std::string logged() {
    std::string out;
    std::size_t at = 0;
    while ((at = lines.find("level=", at)) != std::string::npos) {
      const std::size_t end = lines.find('\n', at);
      out += lines.substr(at, end + 1 - at);
      at = end;
    }
    lines.clear();
    return out;
  }
  FakeClock clock;
  std::string lines;
  AgentHealth health;
};

constexpr const char* kGood = "200 {\"agent\":{}}\n";
constexpr const char* kBad = "500 {\"agent\":{\"make_new_x509_err\":\"workload api is unavailable\"}}\n";

}  // namespace

TEST_CASE("Before the first check neither live nor ready") {
  World world;
  CHECK(world.live() == "500 {\"agent\":null}\n");
  CHECK(world.ready() == "500 {\"agent\":null}\n");
  CHECK(world.health.live().content_type == "application/json");
}

TEST_CASE("While the agent starts it is live, not ready, and says so once") {
  World world;
  world.health.record(false, false);
  world.health.record(false, false);
  CHECK(world.live() == kGood);
  CHECK(world.ready() == kBad);
  CHECK(world.health.next_check_in() == 1s);
  CHECK(
      world.logged() ==
      "level=warning msg=\"Health check has failed. Starting up still.\" check=agent error=\"subsystem is not ready\"\n"
      "level=warning msg=\"Health check failed\" check=agent details=\"{false true false {} {workload api is "
      "unavailable}}\" error=\"subsystem is not ready\"\n");
  world.clock.advance_steady(9s);
  world.health.record(true, true);
  CHECK(world.live() == kGood);
  CHECK(world.ready() == kGood);
  CHECK(world.health.next_check_in() == 60s);
  CHECK(world.logged() ==
        "level=info msg=\"Health check recovered\" check=agent details=\"{true true true {} {}}\" duration=9 "
        "error=\"subsystem is not ready\" failures=2\n");
}

TEST_CASE("A started agent that does not answer is neither, and stays on its minute") {
  World world;
  world.health.record(true, true);
  world.health.record(true, false);
  CHECK(world.live() == kBad);
  CHECK(world.ready() == kBad);
  CHECK(world.health.next_check_in() == 60s);
  CHECK(world.logged() ==
        "level=error msg=\"Health check has failed\" check=agent error=\"subsystem is not live or ready\"\n"
        "level=warning msg=\"Health check failed\" check=agent details=\"{true false false {workload api is "
        "unavailable} {workload api is unavailable}}\" error=\"subsystem is not live or ready\"\n");
}

TEST_CASE("Without APIs the agent is ready when it has started, and always live") {
  World world(false);
  world.health.record(false, false);
  CHECK(world.live() == "200 {\"agent\":null}\n");
  CHECK(world.ready() == "500 {\"agent\":null}\n");
  world.health.record(true, true);
  CHECK(world.ready() == "200 {\"agent\":null}\n");
}
