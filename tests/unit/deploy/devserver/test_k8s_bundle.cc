#include <algorithm>
#include <catch2/catch.hpp>

#include "deploy/devserver/notifiers/bundle_notifier.h"
#include "deploy/devserver/notifiers/bundle_objects.h"
#include "runtime/task/task_group.h"
#include "tests/fakes/fake_kube_api.h"

using namespace steeple;
using namespace steeple::devserver;
using attestation::FakeKubeApi;
using attestation::finish;
using runtime::Error;
using runtime::ErrorCode;

namespace {

const std::string kMaps = "/api/v1/namespaces/spire/configmaps";
const std::string kMap = kMaps + "/spire-bundle";

K8sBundleConfig config() {
  K8sBundleConfig config;
  config.name_space = "spire";
  config.config_map = "spire-bundle";
  config.config_map_key = "bundle.crt";
  return config;
}

std::string map_of(const std::string& version, const std::string& data = "{}") {
  return R"({"kind":"ConfigMap","metadata":{"name":"spire-bundle","resourceVersion":")" + version + R"("},"data":)" +
         data + "}";
}

struct World {
  explicit World(K8sBundleConfig target = config()) : bundle(api, std::move(target), [this] { return pem; }) {}
  runtime::Result<void> publish() { return finish(bundle.publish({}, {})); }
  FakeKubeApi api;
  std::string pem = "PEM\n";
  K8sBundle bundle;
};

}  // namespace

TEST_CASE("k8sbundle: the map is read, then patched with the version that was read") {
  World world;
  world.api.answer("GET " + kMap, map_of("7"));
  world.api.answer("PATCH " + kMap, "{}");
  CHECK(world.publish());
  REQUIRE(world.api.requests.size() == 2);
  CHECK(world.api.requests[1].content_type == "application/strategic-merge-patch+json");
  CHECK(world.api.requests[1].body == R"({"metadata":{"resourceVersion":"7"},"data":{"bundle.crt":"PEM\n"}})");
}

TEST_CASE("k8sbundle: what is there already is left alone") {
  World world;
  world.api.answer("GET " + kMap, map_of("7", R"({"bundle.crt":"PEM\n","other":"x"})"));
  CHECK(world.publish());
  CHECK(world.api.requests.size() == 1);
}

TEST_CASE("k8sbundle: another writer in between is met by reading again, some times") {
  World world;
  const Error conflict(ErrorCode::kAlreadyExists, "the object has been modified");
  world.api.answer("GET " + kMap, map_of("7"));
  world.api.answer("GET " + kMap, map_of("8"));
  world.api.answer("PATCH " + kMap, conflict);
  world.api.answer("PATCH " + kMap, "{}");
  CHECK(world.publish());
  CHECK(world.api.requests.back().body.find("\"8\"") != std::string::npos);

  World losing;
  losing.api.answer("GET " + kMap, map_of("7"));
  losing.api.answer("PATCH " + kMap, conflict);
  CHECK(losing.publish().error().message() == "unable to update: spire/spire-bundle: the object has been modified");
  CHECK(losing.api.requests.size() == 2 * kConflictRetriesMax);
}

TEST_CASE("k8sbundle: a map that is missing is made, or it is said what to make") {
  World world;
  world.api.answer("POST " + kMaps, "{}");
  CHECK(world.publish());
  CHECK(world.api.asked == std::vector<std::string>{"GET " + kMap, "POST " + kMaps});
  CHECK(world.api.requests[1].body ==
        R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"spire-bundle","namespace":"spire"},"data":)"
        R"({"bundle.crt":"PEM\n"}})");

  World forbidden;
  forbidden.api.answer("GET " + kMap, Error(ErrorCode::kNotFound, "configmaps \"spire-bundle\" not found"));
  forbidden.api.answer("POST " + kMaps, Error(ErrorCode::kDenied, "configmaps is forbidden"));
  CHECK(forbidden.publish().error().message() ==
        "unable to update: configmaps \"spire-bundle\" not found, and it cannot be created: configmaps is forbidden; "
        "create it: kubectl create configmap spire-bundle --namespace spire");
}

TEST_CASE("k8sbundle: labelled objects get the bundle, each that can") {
  K8sBundleConfig target = config();
  target.webhook_label = "spiffe.io/hook";
  target.api_service_label = "svc";
  World world(target);
  const std::string admission = "/apis/admissionregistration.k8s.io/v1/";
  const std::string services = "/apis/apiregistration.k8s.io/v1/apiservices";
  const std::string selector = "?labelSelector=spiffe.io%2Fhook%3Dtrue";
  world.api.answer("GET " + kMap, map_of("1", R"({"bundle.crt":"PEM\n"})"));
  world.api.answer("GET " + admission + "mutatingwebhookconfigurations" + selector, R"({"items":[
      {"metadata":{"name":"done","resourceVersion":"2"},"webhooks":[{"name":"w","clientConfig":{"caBundle":"UEVNCg=="}}]},
      {"metadata":{"name":"refused","resourceVersion":"3"},"webhooks":[{"name":"w","clientConfig":{}}]},
      {"metadata":{"name":"old","resourceVersion":"4"},"webhooks":[{"name":"a","clientConfig":{"caBundle":"eA=="}},{"name":"b"}]}]})");
  world.api.answer("PATCH " + admission + "mutatingwebhookconfigurations/refused", Error(ErrorCode::kDenied, "no"));
  world.api.answer("PATCH " + admission + "mutatingwebhookconfigurations/old", "{}");
  world.api.answer("GET " + admission + "validatingwebhookconfigurations" + selector, R"({"items":null})");
  world.api.answer("GET " + services + "?labelSelector=svc%3Dtrue",
                   R"({"items":[{"metadata":{"name":"v1.x","resourceVersion":"5"},"spec":{}}]})");
  world.api.answer("PATCH " + services + "/v1.x", "{}");
  CHECK(world.publish().error().message() == "unable to update: refused: no");
  std::map<std::string, std::string> bodies;
  for (const KubeRequest& request : world.api.requests) {
    if (request.method == "PATCH") bodies[request.path.substr(request.path.rfind('/') + 1)] = request.body;
  }
  CHECK(bodies.size() == 3);
  CHECK(bodies["old"] ==
        R"({"metadata":{"resourceVersion":"4"},"webhooks":[{"name":"a","clientConfig":{"caBundle":"UEVNCg=="}},)"
        R"({"name":"b","clientConfig":{"caBundle":"UEVNCg=="}}]})");
  CHECK(bodies["v1.x"] == R"({"metadata":{"resourceVersion":"5"},"spec":{"caBundle":"UEVNCg=="}})");
}

TEST_CASE("k8sbundle: answers that are none are errors") {
  for (const std::string bad : {"", "[]", "{", "null"}) {
    CHECK(config_map_patch(bad, "k", "p").error().code() == ErrorCode::kMalformed);
    CHECK(webhook_patches(bad, "p").error().code() == ErrorCode::kMalformed);
  }
  CHECK(api_service_patches(R"({"items":[{}]})", "p").error().code() == ErrorCode::kMalformed);
  CHECK(config_map_patch("{}", "k\"", "p").value().body == R"({"metadata":{"resourceVersion":""},"data":{"k\"":"p"}})");
}

TEST_CASE("k8sbundle: the notifier publishes at start and at each change, and stops in the middle of a wait") {
  runtime::Loop loop;
  FakeKubeApi api;
  api.answer("GET " + kMap, map_of("1"));
  api.answer("PATCH " + kMap, "{}");
  std::string log_text;
  runtime::Logger log(runtime::make_string_sink(&log_text), runtime::LogLevel::kDebug, runtime::LogFormat::kText);
  BundleNotifier notifier(loop, K8sBundle(api, config(), [] { return std::string("p"); }), api, 3, log);
  runtime::TaskGroup group(loop);
  group.spawn(notifier.run(group.token()));
  notifier.bundle_is(3);
  CHECK(api.requests.size() == 2);
  notifier.bundle_is(4);
  loop.io().poll();
  CHECK(api.requests.size() == 4);
  CHECK(log_text.find("event=\"bundle loaded\"") != std::string::npos);
  CHECK(log_text.find("event=\"bundle updated\"") != std::string::npos);
  group.close(runtime::StopReason::kShutdown);
  runtime::run_until_done(loop, group.join());
}

TEST_CASE("k8sbundle: a labelled object that is new or changed gets the bundle; without watches they are looked at") {
  runtime::Loop loop;
  runtime::Signal open(loop);
  FakeKubeApi api;
  api.open = &open;
  K8sBundleConfig target = config();
  target.api_service_label = "svc";
  const std::string services = "/apis/apiregistration.k8s.io/v1/apiservices";
  const std::string selector = "labelSelector=svc%3Dtrue";
  api.answer("GET " + kMap, map_of("1", R"({"bundle.crt":"p"})"));
  api.answer("GET " + services + "?" + selector, R"({"items":[]})");
  api.answer("GET " + services + "?limit=500&" + selector, R"({"metadata":{"resourceVersion":"9"},"items":[]})");
  const auto passes = [&] { return std::count(api.asked.begin(), api.asked.end(), "GET " + kMap); };
  std::string log_text;
  runtime::Logger log(runtime::make_string_sink(&log_text), runtime::LogLevel::kDebug, runtime::LogFormat::kText);
  BundleNotifier notifier(loop, K8sBundle(api, target, [] { return std::string("p"); }), api, 3, log);
  runtime::TaskGroup group(loop);
  group.spawn(notifier.run(group.token()));
  loop.io().poll();
  const auto before = passes();
  CHECK(api.asked.at(1).starts_with("WATCH " + services + "?watch=true"));
  KubeEvent event;
  event.kind = KubeEvent::Kind::kAdded;
  event.object.name = "v1.x";
  api.receiver(event);
  loop.io().poll();
  CHECK(passes() == before + 1);
  event.kind = KubeEvent::Kind::kDeleted;
  api.receiver(event);
  loop.io().poll();
  CHECK(passes() == before + 1);
  CHECK(log_text.find("bundle updated") == std::string::npos);
  group.close(runtime::StopReason::kShutdown);
  runtime::run_until_done(loop, group.join());
}
