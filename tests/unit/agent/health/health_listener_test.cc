#include "agent/health/health_listener.h"

#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using boost::asio::ip::tcp;
using steeple::runtime::grpc::Status;
using steeple::runtime::grpc::StatusCode;
using SystemCode = boost::system::error_code;
using std::chrono_literals::operator""ms;

namespace {

Task<Status> fixed(Status status) { co_return status; }

// Status and body, or "refused".
Task<std::string> ask(Loop& loop, std::uint16_t port, std::string path) {
  tcp::socket socket(loop.io());
  tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(), port);
  auto [refused] =
      co_await async_op<SystemCode>([&](auto handler) { socket.async_connect(endpoint, std::move(handler)); });
  if (refused) co_return "refused";
  const std::string request = "GET " + path + " HTTP/1.0\r\n\r\n";
  co_await async_op<SystemCode, std::size_t>(
      [&](auto handler) { boost::asio::async_write(socket, boost::asio::buffer(request), std::move(handler)); });
  std::string text;
  char chunk[1024];
  for (;;) {
    auto [failed, size] = co_await async_op<SystemCode, std::size_t>(
        [&](auto handler) { socket.async_read_some(boost::asio::buffer(chunk), std::move(handler)); });
    if (failed) break;
    text.append(chunk, size);
  }
  co_return text.substr(9, 3) + " " + text.substr(text.find("\r\n\r\n") + 4);
}

struct World {
  explicit World(HealthListenerOptions changes = {})
      : log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kDefault) {
    changes.bind_address = "127.0.0.1";
    changes.bind_port = changes.bind_port.empty() ? "0" : changes.bind_port;
    changes.live_path = "/live";
    changes.ready_path = "/ready";
    listener.emplace(
        loop, clock, std::move(changes), [this](Deadline, StopToken) { return fixed(Status(answer, std::string())); },
        log);
    listener->start();
  }
  ~World() { run_until_done(loop, listener->stop()); }
  std::string get(const std::string& path) { return run_until_done(loop, ask(loop, listener->port(), path)); }
  // Runs the loop until the path is answered like this.
  bool becomes(const std::string& path, const std::string& wanted) {
    for (int i = 0; i < 2000; ++i) {
      if (listener->port() != 0 && get(path) == wanted) return true;
      static_cast<void>(run_until_done(loop, sleep_until(loop, Deadline::in(10ms), {})));
    }
    return false;
  }
  Loop loop;
  SystemClock clock;
  std::string lines;
  Logger log;
  StatusCode answer = StatusCode::kOk;
  std::optional<HealthListener> listener;
};

constexpr const char* kGood = "200 {\"agent\":{}}\n";
constexpr const char* kBad = "500 {\"agent\":{\"make_new_x509_err\":\"workload api is unavailable\"}}\n";

}  // namespace

TEST_CASE("It opens when the agent has started, and answers by exact path") {
  World world;
  CHECK(world.listener->port() == 0);
  world.listener->agent_started();
  CHECK(world.becomes("/ready", kGood));
  CHECK(world.get("/ready?x=1") == kGood);
  CHECK(world.get("/live") == kGood);
  CHECK(world.get("/live/") == "404 404 page not found\n");
  CHECK(world.lines.find("msg=\"Serving health checks\" address=\"127.0.0.1:0\" subsystem_name=health") !=
        std::string::npos);
}

TEST_CASE("It opens before the agent has started when that takes long; the start ends the wait for the next check") {
  HealthListenerOptions options;
  options.wait = 1ms;
  World world(options);
  CHECK(world.becomes("/ready", kBad));
  CHECK(world.get("/live") == kGood);
  world.listener->agent_started();
  CHECK(world.becomes("/ready", kGood));
}

TEST_CASE("Only an API that is unavailable or silent is unhealthy") {
  for (StatusCode code : {StatusCode::kUnavailable, StatusCode::kDeadlineExceeded}) {
    World world;
    world.answer = code;
    world.listener->agent_started();
    CHECK(world.becomes("/live", kBad));
    CHECK(world.get("/ready") == kBad);
  }
  World world;
  world.answer = StatusCode::kPermissionDenied;
  world.listener->agent_started();
  CHECK(world.becomes("/live", kGood));
}

TEST_CASE("An address that cannot be had is a warning") {
  World first;
  first.listener->agent_started();
  CHECK(first.becomes("/live", kGood));
  for (const std::string& port : {std::to_string(first.listener->port()), std::string("no-port")}) {
    HealthListenerOptions options;
    options.bind_port = port;
    World second(options);
    second.listener->agent_started();
    for (int i = 0; i < 2000 && second.lines.find("Error serving health checks") == std::string::npos; ++i) {
      static_cast<void>(run_until_done(second.loop, sleep_until(second.loop, Deadline::in(10ms), {})));
    }
    CHECK(second.lines.find("level=warning msg=\"Error serving health checks\"") != std::string::npos);
  }
}
