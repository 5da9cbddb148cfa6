// The attestor with a kubelet that answers when the test says so.
#include "attestation/workload/k8s/k8s_attestor.h"

#include <catch2/catch.hpp>

#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"
#include "tests/fakes/own_peer.h"
#include "tests/fakes/scripted_images.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;
using std::chrono_literals::operator""s;
using SharedIndex = std::shared_ptr<const PodIndex>;

namespace {

SharedIndex index_of(const std::vector<std::string>& ids) {
  auto index = std::make_shared<PodIndex>();
  for (const std::string& id : ids) {
    auto pod = std::make_shared<Pod>();
    pod->uid = "pod-" + id;
    pod->name_space = "ns-" + id;
    pod->selectors = Selectors({{"k8s", "pod-uid:pod-" + id}});
    pod->containers.push_back({id, Selectors({{"k8s", "container-name:" + id}})});
    index->add(std::move(pod));
  }
  return index;
}
Error refused() { return Error(ErrorCode::kUnavailable, "unexpected status code on pods response: 401 Unauthorized"); }

// Gives its answers one by one, the last one again and again; may hold them back.
class ScriptedSource final : public PodSource {
 public:
  explicit ScriptedSource(Loop& loop) : release(loop) {}
  Task<Result<SharedIndex>> fetch(StopToken stop) override {
    ++fetches;
    if (held) STEEPLE_CO_CHECK(co_await release.wait(Deadline::never(), stop));
    Result<SharedIndex> answer = answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    co_return answer;
  }
  std::vector<Result<SharedIndex>> answers;
  Signal release;
  bool held = false;
  int fetches = 0;
};

struct World {
  explicit World(K8sConfig wanted = {}, std::unique_ptr<NamespaceLabels> labels = nullptr,
                 std::unique_ptr<ImageTrust> images = nullptr)
      : config(std::move(wanted)) {
    config.poll_retry_interval = 2ms;
    auto owned = std::make_unique<ScriptedSource>(loop);
    source = owned.get();
    LocateContainer locate = [this](const ProcessHandle&) -> Result<ContainerIds> { return located; };
    Logger log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kDefault);
    attestor.emplace(config, loop, std::move(locate), std::move(owned), std::move(labels), log, std::move(images));
  }
  ~World() {
    if (!closed) run_until_done(loop, attestor->close());
  }
  Result<Selectors> find(ContainerIds query, Deadline deadline = Deadline::in(20s), StopToken stop = {}) {
    return run_until_done(loop, attestor->find(std::move(query), deadline, stop));
  }
  bool logged(std::string_view text) const { return lines.find(text) != std::string::npos; }

  K8sConfig config;
  Loop loop;
  std::string lines;
  ScriptedSource* source = nullptr;
  ContainerIds located;
  std::optional<K8sAttestor> attestor;
  bool closed = false;
};

Task<void> keep(Task<Result<Selectors>> task, std::vector<Result<Selectors>>& out) {
  out.push_back(co_await std::move(task));
}

}  // namespace

TEST_CASE("A hit costs no request; container selectors are added unless disabled") {
  World world;
  world.source->answers = {index_of({"1", "2"})};
  auto found = world.find({"", "1"});
  REQUIRE(found);
  CHECK(*found == Selectors({{"k8s", "pod-uid:pod-1"}, {"k8s", "container-name:1"}}));
  for (int i = 0; i < 10; ++i) REQUIRE(world.find({"pod-2", "2"}));
  CHECK(world.source->fetches == 1);
  CHECK(world.attestor->counters().fetches == 1);
  CHECK(world.attestor->counters().misses == 1);
  CHECK(world.attestor->counters().hits == 10);
  CHECK(world.attestor->figures().at(0).name == "kubelet_requests");
  CHECK(world.attestor->figures().at(0).total == 1);

  K8sConfig config;
  config.disable_container_selectors = true;
  World pods_only(config);
  pods_only.source->answers = {index_of({"1"})};
  found = pods_only.find({"pod-1", "not listed yet"});
  REQUIRE(found);
  CHECK(*found == Selectors({{"k8s", "pod-uid:pod-1"}}));
}

TEST_CASE("Names of pods below a user's service manager are that user's, and the kubelet is not asked") {
  World world;
  world.source->answers = {index_of({"1"})};
  ContainerIds forged{"pod-1", "1"};
  forged.below_user_manager = true;
  auto found = world.find(forged);
  REQUIRE_FALSE(found);
  CHECK(found.error().code() == ErrorCode::kFailedPrecondition);
  CHECK(world.source->fetches == 0);
}

TEST_CASE("A process in no container has no selectors, at once; a disabled client refuses") {
  World world;
  Peer peer = steeple::tests::own_peer();
  ProcessHandle process = *ProcessHandle::open(peer);
  auto found = run_until_done(world.loop, world.attestor->attest(process, Deadline::in(1s), {}));
  REQUIRE(found);
  CHECK(found->empty());
  CHECK(world.source->fetches == 0);

  K8sConfig config;
  config.disable_kubelet_client = true;
  World disabled(config);
  auto refusal = run_until_done(disabled.loop, disabled.attestor->attest(process, Deadline::in(1s), {}));
  REQUIRE_FALSE(refusal);
  CHECK(refusal.error() == Error(ErrorCode::kFailedPrecondition, "kubelet client is disabled"));
}

TEST_CASE("Waiters share one fetch, and each is woken by the one that brings its container") {
  World world;
  world.source->held = true;
  world.source->answers = {index_of({"1"}), index_of({"1", "2"})};
  std::vector<Result<Selectors>> answers;
  TaskGroup group(world.loop);
  for (int i = 0; i < 50; ++i) group.spawn(keep(world.attestor->find({"", "1"}, Deadline::in(20s), {}), answers));
  group.spawn(keep(world.attestor->find({"", "2"}, Deadline::in(20s), {}), answers));
  CHECK(world.source->fetches == 1);
  world.source->release.notify();
  while (answers.size() < 50) REQUIRE(run_until_done(world.loop, sleep_until(world.loop, Deadline::in(1ms), {})));
  while (world.source->fetches < 2) REQUIRE(run_until_done(world.loop, sleep_until(world.loop, Deadline::in(1ms), {})));
  CHECK(answers.size() == 50);
  world.source->release.notify();
  run_until_done(world.loop, group.join());
  CHECK(answers.size() == 51);
  for (const auto& answer : answers) CHECK(answer);
  CHECK(world.source->fetches == 2);
}

TEST_CASE("A container that is never listed: DeadlineExceeded after the configured attempts") {
  K8sConfig config;
  config.max_poll_attempts = 4;
  World world(config);
  world.source->answers = {index_of({"1"})};
  auto found = world.find({"", "unknown"});
  REQUIRE_FALSE(found);
  CHECK(found.error() == Error(ErrorCode::kDeadline, "no selectors found after max poll attempts"));
  CHECK(world.source->fetches == 4);
  CHECK(world.logged("Container id not found; will retry after backoff"));
  CHECK(world.logged("msg=\"Container id not found; giving up\" attempt=4 container_id=unknown pod_uid="));
}

TEST_CASE("A kubelet that refuses from the start: its error after the configured attempts") {
  K8sConfig config;
  config.max_poll_attempts = 3;
  World world(config);
  world.source->answers = {refused()};
  auto found = world.find({"", "1"});
  REQUIRE_FALSE(found);
  CHECK(found.error() == refused());
  CHECK(world.source->fetches == 3);
  CHECK(world.logged("Unable to get pod list; will retry after backoff"));
  CHECK(world.logged("Unable to get pod list; giving up"));
}

TEST_CASE("In an outage the last good index answers for what it knows, logged once and counted") {
  K8sConfig config;
  config.pod_index_max_age = 1ns;
  config.max_poll_attempts = 2;
  World world(config);
  world.source->answers = {index_of({"1"}), refused()};
  REQUIRE(world.find({"", "1"}));
  for (int i = 0; i < 3; ++i) CHECK(world.find({"", "1"}));
  CHECK_FALSE(world.find({"", "2"}));
  CHECK(world.attestor->counters().outage_answers == 3);
  CHECK(world.attestor->counters().failures > 0);
  const std::string_view line = "Kubelet does not answer; known containers are answered from the last pod list";
  CHECK(world.logged(line));
  CHECK(world.lines.find(line) == world.lines.rfind(line));
  world.source->answers = {index_of({"2"})};
  REQUIRE(world.find({"", "2"}));
  CHECK(world.logged("Kubelet answers again"));
  CHECK_FALSE(world.find({"", "1"}));  // gone from the list
}

TEST_CASE("A kubelet that hangs keeps a known container waiting no longer than a second") {
  K8sConfig config;
  config.pod_index_max_age = 1ns;
  World world(config);
  world.source->answers = {index_of({"1"})};
  REQUIRE(world.find({"", "1"}));
  world.source->held = true;
  const SteadyTime before = world.loop.now();
  auto found = world.find({"", "1"});
  REQUIRE(found);
  CHECK(world.loop.now() - before >= kKnownContainerPatience);
  CHECK(world.attestor->counters().outage_answers == 1);
}

TEST_CASE("A caller that gives up, and a list that closes, end the wait") {
  World world;
  world.source->held = true;
  world.source->answers = {index_of({"1"})};
  auto late = world.find({"", "1"}, Deadline::in(5ms));
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == ErrorCode::kDeadline);
  StopSource stop;
  world.loop.post([&] { stop.request_stop(StopReason::kPeerGone); });
  auto stopped = world.find({"", "1"}, Deadline::in(20s), stop.token());
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code() == ErrorCode::kCancelled);
  std::vector<Result<Selectors>> answers;
  TaskGroup group(world.loop);
  group.spawn(keep(world.attestor->find({"", "1"}, Deadline::in(20s), {}), answers));
  run_until_done(world.loop, world.attestor->close());
  world.closed = true;
  run_until_done(world.loop, group.join());
  REQUIRE(answers.size() == 1);
  REQUIRE_FALSE(answers[0]);
  CHECK(answers[0].error() == Error(ErrorCode::kUnavailable, "pod list fetcher is closed"));
  CHECK(world.source->fetches == 1);
}

namespace {

class ScriptedLabels final : public NamespaceLabels {
 public:
  explicit ScriptedLabels(std::map<std::string, Result<KubeLabels>> answers) : answers_(std::move(answers)) {}
  Task<Result<KubeLabels>> of(std::string name_space, Deadline, StopToken) override {
    co_return answers_.at(name_space);
  }
  Task<void> close() override { co_return; }

 private:
  std::map<std::string, Result<KubeLabels>> answers_;
};

}  // namespace

TEST_CASE("Labels of the pod's namespace are selectors; without them there are none at all") {
  K8sConfig config;
  config.enable_namespace_labels = true;
  World world(config, std::make_unique<ScriptedLabels>(std::map<std::string, Result<KubeLabels>>{
                          {"ns-1", KubeLabels{{"team", "web"}}},
                          {"ns-2", Error(ErrorCode::kNotFound, "namespaces \"ns-2\" not found")}}));
  world.source->answers = {index_of({"1", "2"})};
  auto found = world.find({"", "1"});
  REQUIRE(found);
  CHECK(*found == Selectors({{"k8s", "pod-uid:pod-1"}, {"k8s", "container-name:1"}, {"k8s", "ns-label:team:web"}}));
  auto refused = world.find({"", "2"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error() ==
        Error(ErrorCode::kInternal, "unable to get namespace labels for \"ns-2\": namespaces \"ns-2\" not found"));
}

TEST_CASE("The signatures of the container's image add selectors; without them the pod has none") {
  auto owned = std::make_unique<steeple::testing::ScriptedImages>();
  steeple::testing::ScriptedImages* images = owned.get();
  World world({}, nullptr, std::move(owned));
  auto index = std::make_shared<PodIndex>();
  auto pod = std::make_shared<Pod>();
  pod->uid = "pod-1";
  pod->selectors = Selectors({{"k8s", "pod-uid:pod-1"}});
  pod->containers = {PodContainer{"1", Selectors(), "app:1", "h/app@sha256:1"},
                     PodContainer{"2", Selectors(), "other:1", "h/other@sha256:2"}};
  index->add(pod);
  world.source->answers = {SharedIndex(index)};
  images->answers["h/app@sha256:1"] = {"image-signature:verified", "image-signature-subject:s"};
  CHECK(
      *world.find({"", "1"}) ==
      Selectors({{"k8s", "pod-uid:pod-1"}, {"k8s", "image-signature:verified"}, {"k8s", "image-signature-subject:s"}}));
  auto refused = world.find({"", "2"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kInternal);
  CHECK(refused.error().message() ==
        "error verifying sigstore image signature for imageID h/other@sha256:2: not signed");
  images->ready = Error(ErrorCode::kNotFound, "no roots");
  CHECK(run_until_done(world.loop, world.attestor->prepare(Deadline::in(20s), {})).error().message() ==
        "error initializing sigstore verifier: no roots");
  world.closed = true;
  run_until_done(world.loop, world.attestor->close());
  CHECK(images->closed);
}

TEST_CASE("A pod whose container is not listed has no image to verify") {
  auto owned = std::make_unique<steeple::testing::ScriptedImages>();
  steeple::testing::ScriptedImages* images = owned.get();
  K8sConfig config;
  config.disable_container_selectors = true;
  World world(config, nullptr, std::move(owned));
  world.source->answers = {index_of({"1"})};
  CHECK(*world.find({"pod-1", "not listed yet"}) == Selectors({{"k8s", "pod-uid:pod-1"}}));
  CHECK(images->asked.empty());
}
