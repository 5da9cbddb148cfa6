// Labels of namespaces, asked for each time and kept by a watch.
#include "attestation/workload/k8s/namespace_labels.h"

#include <catch2/catch.hpp>

#include "runtime/task/timeout.h"
#include "tests/fakes/fake_kube_api.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

const std::string kBlog = "GET /api/v1/namespaces/blog";
const std::string kAll = "GET /api/v1/namespaces?limit=500";
const std::string kBlogObject = R"({"metadata":{"name":"blog","labels":{"team":"web"}}})";
const std::string kList = R"({"metadata":{"resourceVersion":"5"},"items":[)" + kBlogObject + "]}";
const KubeLabels kBlogLabels = {{"team", "web"}};

Task<void> keep(Task<Result<KubeLabels>> task, std::vector<Result<KubeLabels>>& out) {
  out.push_back(co_await std::move(task));
}

struct World {
  World() : open(loop), held(loop) {
    auto owned = std::make_unique<FakeKubeApi>();
    api = owned.get();
    api->open = &open;
    api_ = std::move(owned);
  }
  ~World() {
    if (labels) run_until_done(loop, labels->close());
  }
  void live() { labels = std::make_unique<LiveNamespaceLabels>(loop, std::move(api_)); }
  void cached() {
    Logger log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kText);
    labels = std::make_unique<CachedNamespaceLabels>(loop, std::move(api_), log, Backoff::Limits{1ms, 2ms});
  }
  Result<KubeLabels> of(const std::string& name, Deadline deadline = Deadline::in(20s), StopToken stop = {}) {
    return run_until_done(loop, labels->of(name, deadline, stop));
  }
  std::string complaint(const std::string& name) {
    auto found = of(name);
    REQUIRE_FALSE(found);
    return found.error().message();
  }
  Loop loop;
  Signal open, held;
  std::string lines;
  FakeKubeApi* api = nullptr;
  std::unique_ptr<NamespaceLabels> labels;

 private:
  std::unique_ptr<KubeApi> api_;
};

}  // namespace

TEST_CASE("Each label is a selector, whatever is in it") {
  CHECK(namespace_selectors({{"a.b/c", "d"}, {"empty", ""}}) ==
        Selectors({{"k8s", "ns-label:a.b/c:d"}, {"k8s", "ns-label:empty:"}}));
  CHECK(namespace_selectors({}).empty());
}

TEST_CASE("Live: asked each time, metadata alone; no labels are labels") {
  World world;
  world.live();
  world.api->answer(kBlog, kBlogObject);
  world.api->answer("GET /api/v1/namespaces/none", std::string(R"({"metadata":{"name":"none"}})"));
  CHECK(world.of("blog").value() == kBlogLabels);
  CHECK(world.of("blog").value() == kBlogLabels);
  CHECK(world.of("none").value().empty());
  CHECK(world.api->requests.size() == 3);
  CHECK(world.api->requests[0].accept ==
        "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json");
}

TEST_CASE("Live: those who want the same namespace meanwhile share the request; others do not wait for it") {
  World world;
  world.live();
  world.api->answer(kBlog, kBlogObject);
  world.api->answer("GET /api/v1/namespaces/none", std::string(R"({"metadata":{"name":"none"}})"));
  world.api->held = &world.held;
  std::vector<Result<KubeLabels>> answers;
  TaskGroup group(world.loop);
  for (int i = 0; i < 50; ++i) group.spawn(keep(world.labels->of("blog", Deadline::in(20s), {}), answers));
  world.api->held = nullptr;
  CHECK(world.of("none"));
  CHECK(answers.empty());
  CHECK_FALSE(world.of("blog", Deadline::in(2ms)));
  world.held.notify();
  run_until_done(world.loop, group.join());
  CHECK(answers.size() == 50);
  for (const auto& answer : answers) CHECK(answer.value() == kBlogLabels);
  CHECK(world.api->requests.size() == 2);
}

TEST_CASE("Live: refusals in upstream's words") {
  World world;
  world.live();
  world.api->configured = Error(ErrorCode::kFailedPrecondition, "unable to load Kubernetes client config: none");
  CHECK(world.complaint("blog") == "unable to set up kube client: unable to load Kubernetes client config: none");
  world.api->configured = {};
  world.api->answer(kBlog, Error(ErrorCode::kDenied, "namespaces \"blog\" is forbidden"));
  CHECK(world.complaint("blog") == "unable to get namespace \"blog\": namespaces \"blog\" is forbidden");
  CHECK(world.complaint("") == "unable to get namespace \"\": resource name may not be empty");
  world.api->answer("GET /api/v1/namespaces/bad", std::string("[]"));
  CHECK(world.complaint("bad").starts_with("unable to get namespace \"bad\": malformed answer of the API server"));
}

TEST_CASE("Live: closing ends a request under way") {
  World world;
  world.live();
  world.api->held = &world.held;
  std::vector<Result<KubeLabels>> answers;
  TaskGroup group(world.loop);
  group.spawn(keep(world.labels->of("blog", Deadline::in(20s), {}), answers));
  run_until_done(world.loop, world.labels->close());
  run_until_done(world.loop, group.join());
  REQUIRE(answers.size() == 1);
  CHECK_FALSE(answers[0]);
  CHECK_FALSE(world.of("blog"));
}

TEST_CASE("Cached: one list, then the watch's changes; no request an attestation") {
  World world;
  world.cached();
  CHECK(world.api->requests.empty());  // nobody has asked yet
  world.api->answer(kAll, kList);
  CHECK(world.of("blog").value() == kBlogLabels);
  KubeEvent event;
  event.kind = KubeEvent::Kind::kModified;
  event.object = {"blog", "6", {{"team", "db"}}};
  world.api->receiver(event);
  CHECK(world.of("blog").value() == KubeLabels{{"team", "db"}});
  CHECK(world.complaint("new") == "unable to get namespace \"new\": Namespace \"new\" not found");
  event.kind = KubeEvent::Kind::kAdded;
  event.object.name = "new";
  world.api->receiver(event);
  CHECK(world.of("new"));
  event.kind = KubeEvent::Kind::kDeleted;
  world.api->receiver(event);
  CHECK_FALSE(world.of("new"));
  CHECK(world.api->requests.size() == 2);
}

TEST_CASE("Cached: while the API server is away the copy answers") {
  World world;
  world.cached();
  world.api->answer(kAll, kList);
  world.api->answer(kAll, Error(ErrorCode::kUnavailable, "away"));
  world.api->watches.push_back({{}, Error(ErrorCode::kUnavailable, "connection reset")});
  CHECK(world.of("blog"));
  while (world.api->asked.size() < 4)
    REQUIRE(run_until_done(world.loop, sleep_until(world.loop, Deadline::in(1ms), {})));
  CHECK(world.of("blog").value() == kBlogLabels);
}

TEST_CASE("Cached: a list that does not come is waited for, and named when the caller's time is over") {
  World world;
  world.cached();
  world.api->answer(kAll, Error(ErrorCode::kDenied, "namespaces is forbidden"));
  world.api->answer(kAll, Error(ErrorCode::kDenied, "namespaces is forbidden"));
  world.api->answer(kAll, kList);
  CHECK(world.of("blog").value() == kBlogLabels);

  World never;
  never.cached();
  never.api->held = &never.held;
  auto late = never.of("blog", Deadline::in(2ms));
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == ErrorCode::kDeadline);
}
