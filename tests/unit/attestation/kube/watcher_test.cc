// The watcher with an API server that answers as the test says.
#include "attestation/kube/watcher.h"

#include <catch2/catch.hpp>

#include "runtime/task/task_group.h"
#include "runtime/task/timeout.h"
#include "tests/fakes/fake_kube_api.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

const std::string kFirstPage = "GET /things?limit=500&labelSelector=x";
const std::string kWatchFrom = "WATCH /things?watch=true&allowWatchBookmarks=true&resourceVersion=";
const std::string kWatchTail = "&timeoutSeconds=240&labelSelector=x";

KubeEvent event(KubeEvent::Kind kind, const std::string& name, const std::string& version) {
  KubeEvent event;
  event.kind = kind;
  event.object = {name, version, {}};
  return event;
}
KubeEvent refusal(int code) {
  KubeEvent event;
  event.code = code;
  event.message = "refused";
  return event;
}

struct World final : KubeListener {
  World() : open(loop), tasks(loop) {
    api.open = &open;
    Logger log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kText);
    watcher.emplace(loop, api, KubeWatcher::Target{"/things", "labelSelector=x"}, *this, log,
                    Backoff::Limits{1ms, 2ms});
  }
  ~World() override {
    tasks.close(StopReason::kShutdown);
    run_until_done(loop, tasks.join());
  }
  void run() { tasks.spawn(watcher->run(tasks.token())); }
  void until(const std::function<bool()>& condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i) {
      REQUIRE(run_until_done(loop, sleep_until(loop, Deadline::in(1ms), {})));
    }
    REQUIRE(condition());
  }
  void listed(std::vector<KubeMeta> all) override {
    story += "list(";
    for (const KubeMeta& object : all) story += object.name;
    story += ") ";
  }
  void changed(const KubeMeta& object) override { story += "+" + object.name + " "; }
  void removed(const std::string& name) override { story += "-" + name + " "; }
  void lost() override { story += "lost "; }
  bool told(const std::string& text) const { return story == text; }

  Loop loop;
  FakeKubeApi api;
  Signal open;
  std::string lines, story;
  std::optional<KubeWatcher> watcher;
  TaskGroup tasks;
};

}  // namespace

TEST_CASE("All pages are read, then the watch begins at the last one's version") {
  World world;
  world.api.answer(kFirstPage, std::string(R"({"metadata":{"continue":"c/2"},"items":[{"metadata":{"name":"a"}}]})"));
  world.api.answer("GET /things?limit=500&continue=c%2F2&labelSelector=x",
                   std::string(R"({"metadata":{"resourceVersion":"5"},"items":[{"metadata":{"name":"b"}}]})"));
  world.run();
  world.until([&] { return world.told("list(ab) "); });
  CHECK(world.api.asked.back() == kWatchFrom + "5" + kWatchTail);
  CHECK(world.api.requests.back().accept ==
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json");
  CHECK(world.watcher->in_step());
  world.api.receiver(event(KubeEvent::Kind::kAdded, "c", "6"));
  world.api.receiver(event(KubeEvent::Kind::kBookmark, "", "8"));
  world.api.receiver(event(KubeEvent::Kind::kDeleted, "a", "7"));
  CHECK(world.told("list(ab) +c -a "));
}

TEST_CASE("A watch that the server ends is begun again where it ended, without a list") {
  World world;
  world.api.answer(kFirstPage, std::string(R"({"metadata":{"resourceVersion":"5"},"items":[]})"));
  world.api.watches.push_back({{event(KubeEvent::Kind::kModified, "a", "6")}, Result<void>()});
  world.run();
  world.until([&] { return world.api.asked.size() == 3; });
  CHECK(world.told("list() +a "));
  CHECK(world.api.asked[2] == kWatchFrom + "6" + kWatchTail);
}

TEST_CASE("410 Gone, and anything else that ends a watch: the list is read anew") {
  World world;
  world.api.answer(kFirstPage, std::string(R"({"metadata":{"resourceVersion":"5"},"items":[]})"));
  world.api.answer(kFirstPage, Error(ErrorCode::kUnavailable, "away"));
  world.api.answer(kFirstPage, Error(ErrorCode::kUnavailable, "away"));
  world.api.answer(kFirstPage,
                   std::string(R"({"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"n"}}]})"));
  world.api.watches.push_back({{refusal(410), event(KubeEvent::Kind::kAdded, "late", "6")}, Result<void>()});
  world.run();
  world.until([&] { return world.told("list() lost list(n) "); });
  CHECK(world.api.asked.back() == kWatchFrom + "9" + kWatchTail);
  CHECK(world.watcher->in_step());
  const std::string warning = "Objects of the API server cannot be watched; will retry after backoff";
  CHECK(world.lines.find(warning) != std::string::npos);
  CHECK(world.lines.find(warning) == world.lines.rfind(warning));
  CHECK(world.lines.find("Objects of the API server are watched again") != std::string::npos);
}

TEST_CASE("An outage is dated from when the watch was lost") {
  World world;
  world.api.answer(kFirstPage, std::string(R"({"metadata":{"resourceVersion":"5"},"items":[]})"));
  world.api.answer(kFirstPage, Error(ErrorCode::kUnavailable, "away"));
  world.api.watches.push_back({{}, Error(ErrorCode::kUnavailable, "connection reset")});
  const SteadyTime before = world.loop.now();
  world.run();
  world.until([&] { return world.api.asked.size() >= 4; });
  CHECK_FALSE(world.watcher->in_step());
  REQUIRE(world.watcher->lost_since());
  CHECK(*world.watcher->lost_since() >= before);
  CHECK(world.told("list() lost "));
  CHECK(world.watcher->last_error()->message() == "away");
}

TEST_CASE("A server that ends watches at once is not asked without end") {
  World world;
  world.api.answer(kFirstPage, std::string(R"({"metadata":{"resourceVersion":"5"},"items":[]})"));
  world.api.watches.push_back({{}, Result<void>()});
  world.run();
  world.until([&] { return world.told("list() lost list() "); });
  CHECK(world.lines.find("the API server ends watches at once") != std::string::npos);
}
