#include "attestation/workload/engine.h"

#include <catch2/catch.hpp>
#include <optional>

#include "runtime/core/log.h"
#include "runtime/task/blocking.h"
#include "runtime/task/signal.h"
#include "runtime/task/timeout.h"
#include "tests/fakes/own_peer.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using steeple::tests::own_peer;

namespace {

// Answers at once, or when the test says so.
class ScriptedAttestor final : public WorkloadAttestor {
 public:
  ScriptedAttestor(std::string name, Result<Selectors> answer, Signal* release = nullptr)
      : name_(std::move(name)), answer_(std::move(answer)), release_(release) {}
  std::string_view name() const override { return name_; }
  Task<Result<Selectors>> attest(const ProcessHandle&, Deadline deadline, StopToken stop) override {
    if (release_) STEEPLE_CO_CHECK(co_await release_->wait(deadline, stop));
    co_return answer_;
  }
  Task<void> close() override {
    if (closed) *closed = true;
    co_return;
  }
  bool* closed = nullptr;

 private:
  std::string name_;
  Result<Selectors> answer_;
  Signal* release_;
};

Result<Selectors> found(std::string type, std::string value) {
  return Selectors({{std::move(type), std::move(value)}});
}
Result<Selectors> broken(std::string text) { return Error(ErrorCode::kInternal, std::move(text)); }

struct World {
  World() : peer(own_peer()), process(*ProcessHandle::open(peer)) {}
  void add(std::string name, Result<Selectors> answer, Signal* release = nullptr) {
    attestors.push_back(std::make_unique<ScriptedAttestor>(std::move(name), std::move(answer), release));
  }
  WorkloadEngine& engine() {
    if (!built) {
      Logger log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kDefault);
      built.emplace(loop, std::move(attestors), log);
    }
    return *built;
  }
  Result<Selectors> attest(Deadline deadline = Deadline::never(), StopToken stop = {}) {
    return run_until_done(loop, engine().attest(process, deadline, stop));
  }
  bool logged(std::string_view text) const { return lines.find(text) != std::string::npos; }

  Loop loop;
  Peer peer;
  ProcessHandle process;
  std::string lines;
  WorkloadEngine::Attestors attestors;
  std::optional<WorkloadEngine> built;
};

// Keeps the loop busy while the task under test waits.
Task<void> notify_later(Loop& loop, Signal& signal) {
  (void)co_await sleep_until(loop, Deadline::in(std::chrono::milliseconds(1)), {});
  signal.notify();
}
Task<void> stop_later(Loop& loop, StopSource& source, StopReason reason) {
  (void)co_await sleep_until(loop, Deadline::in(std::chrono::milliseconds(1)), {});
  source.request_stop(reason);
}

}  // namespace

TEST_CASE("WorkloadEngine without attestors finds nothing and succeeds") {
  World world;
  Result<Selectors> selectors = world.attest();
  REQUIRE(selectors);
  CHECK(selectors->empty());
}

TEST_CASE("WorkloadEngine passes on what a single attestor finds, without logging its own process") {
  World world;
  world.add("unix", found("unix", "uid:1"));
  Result<Selectors> selectors = world.attest();
  REQUIRE(selectors);
  CHECK(*selectors == Selectors({{"unix", "uid:1"}}));
  CHECK(world.lines.empty());
}

TEST_CASE("WorkloadEngine fails when its only attestor fails, with upstream's texts") {
  World world;
  world.add("unix", broken("failed to get process: process does not exist"));
  Result<Selectors> selectors = world.attest();
  REQUIRE_FALSE(selectors);
  CHECK(selectors.error().message() ==
        "workload attestor \"unix\" failed: rpc error: code = Internal desc = workloadattestor(unix): failed to get "
        "process: process does not exist");
  CHECK(world.logged(
      "level=error msg=\"workload attestor \\\"unix\\\" failed\" error=\"rpc error: code = Internal desc = "
      "workloadattestor(unix): failed to get process: process does not exist\" pid="));
  CHECK(world.logged("subsystem_name=workload_attestor"));
  CHECK_FALSE(world.logged("Failed to collect all selectors"));
}

TEST_CASE("An error that is a whole text already is passed on as it is, and counted by its own code") {
  World world;
  const std::string text = "rpc error: code = Unknown desc = workloadattestor(ext): plain";
  world.add("ext", broken(text));
  std::string status;
  AttestationEvents events;
  events.attestor = [&](std::string_view, std::string_view code, std::chrono::nanoseconds) { status = code; };
  world.engine().on_events(std::move(events));
  Result<Selectors> selectors = world.attest();
  REQUIRE_FALSE(selectors);
  CHECK(selectors.error().message() == "workload attestor \"ext\" failed: " + text);
  CHECK(status == "Unknown");
}

TEST_CASE("WorkloadEngine merges what all attestors find") {
  World world;
  world.add("unix", found("unix", "uid:1"));
  world.add("docker", found("docker", "label:a:b"));
  Result<Selectors> selectors = world.attest();
  REQUIRE(selectors);
  CHECK(*selectors == Selectors({{"docker", "label:a:b"}, {"unix", "uid:1"}}));
}

TEST_CASE("WorkloadEngine succeeds with what is left when one of two fails") {
  World world;
  world.add("systemd", broken("no bus"));
  world.add("unix", found("unix", "uid:1"));
  Result<Selectors> selectors = world.attest();
  REQUIRE(selectors);
  CHECK(*selectors == Selectors({{"unix", "uid:1"}}));
  CHECK(world.logged("msg=\"workload attestor \\\"systemd\\\" failed\""));
  CHECK(world.logged(
      "msg=\"Failed to collect all selectors\" error=\"workload attestor \\\"systemd\\\" failed: rpc error: "
      "code = Internal desc = workloadattestor(systemd): no bus\""));
}

TEST_CASE("WorkloadEngine names every attestor when all fail") {
  World world;
  world.add("systemd", broken("no bus"));
  world.add("k8s", broken("no kubelet"));
  Result<Selectors> selectors = world.attest();
  REQUIRE_FALSE(selectors);
  CHECK(selectors.error().message() ==
        "workload attestor \"systemd\" failed: rpc error: code = Internal desc = workloadattestor(systemd): no bus\n"
        "workload attestor \"k8s\" failed: rpc error: code = Internal desc = workloadattestor(k8s): no kubelet");
  CHECK_FALSE(world.logged("Failed to collect all selectors"));
}

TEST_CASE("WorkloadEngine asks all attestors at once and waits for the slowest") {
  World world;
  Signal first(world.loop);
  Signal second(world.loop);
  world.add("a", found("a", "1"), &first);
  world.add("b", found("b", "2"), &second);
  TaskGroup helpers(world.loop);
  // The second is released first: both must have been started.
  second.notify();
  helpers.spawn(notify_later(world.loop, first));
  Result<Selectors> selectors = world.attest();
  REQUIRE(selectors);
  CHECK(selectors->size() == 2);
  run_until_done(world.loop, helpers.join());
}

TEST_CASE("WorkloadEngine ends with the caller's context") {
  World world;
  Signal never(world.loop);
  world.add("slow", found("a", "1"), &never);
  SECTION("a deadline") {
    Result<Selectors> selectors = world.attest(Deadline::in(std::chrono::milliseconds(1)));
    REQUIRE_FALSE(selectors);
    CHECK(selectors.error() == Error(ErrorCode::kDeadline, "context deadline exceeded"));
    CHECK(world.logged("msg=\"Timed out collecting selectors\" error=\"context deadline exceeded\""));
  }
  SECTION("a caller that leaves, with two attestors") {
    world.add("quick", found("b", "2"));
    StopSource source;
    TaskGroup helpers(world.loop);
    helpers.spawn(stop_later(world.loop, source, StopReason::kCallerCancelled));
    Result<Selectors> selectors = world.attest(Deadline::never(), source.token());
    REQUIRE_FALSE(selectors);
    CHECK(selectors.error() == Error(ErrorCode::kCancelled, "context canceled"));
    run_until_done(world.loop, helpers.join());
  }
}

TEST_CASE("render_selectors prints upstream's list") {
  LogRendered rendered = render_selectors(Selectors({{"unix", "uid:1"}, {"k8s", "pod-label:a:\"<b>\""}}));
  CHECK(rendered.text == "[type:\"k8s\" value:\"pod-label:a:\\\"<b>\\\"\" type:\"unix\" value:\"uid:1\"]");
  CHECK(rendered.json ==
        "[{\"type\":\"k8s\",\"value\":\"pod-label:a:\\\"\\u003cb\\u003e\\\"\"},{\"type\":\"unix\",\"value\":"
        "\"uid:1\"}]");
  CHECK(render_selectors(Selectors()).text == "[]");
}

TEST_CASE("An attestor that ran out of attempts of its own is not the caller's deadline") {
  World world;
  world.add("k8s", Error(ErrorCode::kDeadline, "no selectors found after max poll attempts"));
  auto result = world.attest(Deadline::in(std::chrono::seconds(20)));
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == ErrorCode::kUnavailable);
  CHECK(
      world.logged("rpc error: code = DeadlineExceeded desc = workloadattestor(k8s): no selectors found after max poll "
                   "attempts"));
}

TEST_CASE("A replaced attestor ends its calls before it is closed; later calls are served by the new one") {
  World world;
  Signal release(world.loop);
  bool closed = false;
  auto old = std::make_unique<ScriptedAttestor>("a", found("a", "old"), &release);
  old->closed = &closed;
  world.attestors.push_back(std::move(old));
  std::optional<Result<Selectors>> waiting;
  TaskGroup calls(world.loop);
  calls.spawn([](World* of, std::optional<Result<Selectors>>* out) -> Task<void> {
    out->emplace(co_await of->engine().attest(of->process, Deadline::never(), {}));
  }(&world, &waiting));

  world.engine().replace(std::make_unique<ScriptedAttestor>("other", found("other", "nobody's")));
  world.engine().replace(std::make_unique<ScriptedAttestor>("a", found("a", "new")));
  CHECK(*world.attest() == Selectors({{"a", "new"}}));
  CHECK_FALSE(closed);
  CHECK_FALSE(waiting);

  run_until_done(world.loop, notify_later(world.loop, release));
  run_until_done(world.loop, calls.join());
  REQUIRE(waiting);
  CHECK(**waiting == Selectors({{"a", "old"}}));
  run_until_done(world.loop, world.engine().close());
  CHECK(closed);
  world.engine().replace(std::make_unique<ScriptedAttestor>("a", found("a", "too late")));
  CHECK(*world.attest() == Selectors({{"a", "new"}}));
}
