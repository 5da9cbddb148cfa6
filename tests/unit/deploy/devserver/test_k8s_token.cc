#include <catch2/catch.hpp>

#include "deploy/devserver/attestors/k8s_token.h"
#include "deploy/devserver/kube/queries.h"
#include "tests/fakes/fake_kube_api.h"
#include "tests/unit/deploy/devserver/manual_clock.h"

using namespace steeple;
using namespace steeple::devserver;
using attestation::FakeKubeApi;
using attestation::finish;
using runtime::ErrorCode;

namespace {

constexpr char kReview[] = "POST /apis/authentication.k8s.io/v1/tokenreviews";
constexpr char kPod[] = "GET /api/v1/namespaces/spire/pods/agent-1";
constexpr char kNode[] = "GET /api/v1/nodes/node-1";

std::string review(const std::string& username, const std::string& rest = "") {
  return R"({"kind":"TokenReview","status":{"authenticated":true,"user":{"username":")" + username + R"("},"x":1)" +
         rest + "}}";
}

std::string bound_review(const std::string& extra = R"("authentication.kubernetes.io/pod-name":["agent-1"],
    "authentication.kubernetes.io/pod-uid":["pod-uid-1"])") {
  return R"({"status":{"authenticated":true,"audiences":["spire-server"],"user":{
      "username":"system:serviceaccount:spire:spire-agent","extra":{)" +
         extra + "}}}}";
}

struct World {
  World() {
    K8sCluster cluster;
    cluster.config.allowed_accounts = {"spire:spire-agent"};
    auto fake = std::make_unique<FakeKubeApi>();
    api = fake.get();
    cluster.api = std::move(fake);
    clusters.emplace("demo", std::move(cluster));
  }
  K8sClusterConfig& config() { return clusters.find("demo")->second.config; }

  runtime::Result<AttestedAgent> attest(bool projected,
                                        const std::string& payload = R"({"cluster":"demo","token":"t\n"})") {
    auto attestor = projected ? make_k8s_psat_attestor(clusters) : make_k8s_sat_attestor(clusters, clock);
    auto step = finish(attestor->begin(runtime::as_bytes(payload), {}, {}));
    if (!step) return step.error();
    return std::get<AttestedAgent>(*step);
  }
  std::string refusal(bool projected, ErrorCode code,
                      const std::string& payload = R"({"cluster":"demo","token":"t"})") {
    auto agent = attest(projected, payload);
    REQUIRE_FALSE(agent);
    CHECK(agent.error().code() == code);
    const std::string prefix = projected ? "nodeattestor(k8s_psat): " : "nodeattestor(k8s_sat): ";
    REQUIRE(agent.error().message().starts_with(prefix));
    return agent.error().message().substr(prefix.size());
  }
  ManualClock clock;
  FakeKubeApi* api;
  K8sClusters clusters;
};

std::vector<std::string> values(const AttestedAgent& agent) {
  std::vector<std::string> all;
  for (const auto& selector : agent.selectors.items()) all.push_back(selector.type() + ":" + selector.value());
  return all;
}

}  // namespace

TEST_CASE("k8s_sat: each attestation is a new agent of its account") {
  World world;
  world.api->answer(kReview, review("system:serviceaccount:spire:spire-agent"));
  auto first = world.attest(false);
  auto second = world.attest(false);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->path.starts_with("/k8s_sat/demo/"));
  CHECK(first->path.size() == std::string("/k8s_sat/demo/").size() + 36);
  CHECK(first->path != second->path);
  CHECK_FALSE(first->can_reattest);
  CHECK(values(*first) ==
        std::vector<std::string>{"k8s_sat:agent_ns:spire", "k8s_sat:agent_sa:spire-agent", "k8s_sat:cluster:demo"});
  CHECK(world.api->requests.front().body ==
        R"({"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t\n"}})");
}

TEST_CASE("k8s_psat: the agent is its node, with the facts about its pod") {
  World world;
  world.config().allowed_node_labels = {"zone"};
  world.config().allowed_pod_labels = {"app"};
  world.api->answer(kReview, bound_review());
  world.api->answer(kPod, R"({"metadata":{"uid":"pod-uid-1","labels":{"app":"a","hidden":"h"}},
      "spec":{"nodeName":"node-1"},"status":{"hostIP":"192.0.2.10"}})");
  world.api->answer(kNode, R"({"metadata":{"uid":"node-uid-1","labels":{"zone":"z","hidden":"h"}}})");
  auto agent = world.attest(true);
  INFO((agent ? std::string() : agent.error().message()));
  REQUIRE(agent);
  CHECK(agent->path == "/k8s_psat/demo/node-uid-1");
  CHECK(agent->can_reattest);
  CHECK(values(*agent) ==
        std::vector<std::string>{"k8s_psat:agent_node_ip:192.0.2.10", "k8s_psat:agent_node_label:zone:z",
                                 "k8s_psat:agent_node_name:node-1", "k8s_psat:agent_node_uid:node-uid-1",
                                 "k8s_psat:agent_ns:spire", "k8s_psat:agent_pod_label:app:a",
                                 "k8s_psat:agent_pod_name:agent-1", "k8s_psat:agent_pod_uid:pod-uid-1",
                                 "k8s_psat:agent_sa:spire-agent", "k8s_psat:cluster:demo"});
  CHECK(world.api->requests.front().body.ends_with(R"("spec":{"token":"t\n","audiences":["spire-server"]}})"));
  world.config().pod_uid_in_id = true;
  CHECK(world.attest(true)->path == "/k8s_psat/demo/pod/pod-uid-1");
}

TEST_CASE("Service account tokens: payloads that name nothing known") {
  World world;
  for (bool projected : {false, true}) {
    CHECK(
        world.refusal(projected, ErrorCode::kInvalidArgument, "{")
            .starts_with(projected ? "failed to unmarshal data payload: " : "failed to unmarshal attestation data: "));
    CHECK(world.refusal(projected, ErrorCode::kInvalidArgument, "{}") == "missing cluster in attestation data");
    CHECK(world.refusal(projected, ErrorCode::kInvalidArgument, R"({"cluster":"demo"})") ==
          "missing token in attestation data");
    CHECK(world.refusal(projected, ErrorCode::kInvalidArgument, R"({"cluster":"x","token":"t"})") ==
          "not configured for cluster \"x\"");
  }
  CHECK(world.api->asked.empty());
}

TEST_CASE("k8s_sat: what the review may say, in SPIRE's words") {
  struct Case {
    FakeKubeApi::Answer answer;
    ErrorCode code;
    std::string text;
  };
  for (const Case& one : {
           Case{runtime::Error(ErrorCode::kUnauthenticated, "Unauthorized"), ErrorCode::kInternal,
                "unable to validate token with TokenReview API: unable to query token review API: Unauthorized"},
           Case{R"({"status":{"user":{},"error":"invalid bearer token"}})", ErrorCode::kInternal,
                "unable to validate token with TokenReview API: token review API response contains an error: invalid "
                "bearer token"},
           Case{R"({"status":{"user":{}}})", ErrorCode::kDenied,
                "token not authenticated according to TokenReview API"},
           Case{R"({"status":{"authenticated":true}})", ErrorCode::kInternal,
                "fail to parse username from token review status: empty username"},
           Case{review("admin"), ErrorCode::kInternal,
                "fail to parse username from token review status: unexpected username format: admin"},
           Case{review("system:serviceaccount::a"), ErrorCode::kInternal,
                "fail to parse username from token review status: missing namespace"},
           Case{review("system:serviceaccount:a:"), ErrorCode::kInternal,
                "fail to parse username from token review status: missing service account name"},
           Case{review("system:serviceaccount:demo:builder"), ErrorCode::kDenied,
                "\"demo:builder\" is not an allowed service account"},
       }) {
    World world;
    world.api->answer(kReview, one.answer);
    CHECK(world.refusal(false, one.code) == one.text);
  }
}

TEST_CASE("k8s_psat: each step that fails is named, with the cluster") {
  World world;
  CHECK(world.refusal(true, ErrorCode::kInternal)
            .starts_with("unable to validate token with TokenReview API for cluster \"demo\": unable to query token "
                         "review API: "));
  auto reviewed = [](const std::string& answer) {
    World next;
    next.api->answer(kReview, answer);
    return next.refusal(true, ErrorCode::kInternal);
  };
  CHECK(reviewed(bound_review("")) ==
        "fail to get pod name from token review status for cluster \"demo\": missing pod name");
  CHECK(reviewed(bound_review(R"("authentication.kubernetes.io/pod-name":["a","b"])")) ==
        "fail to get pod name from token review status for cluster \"demo\": expected 1 name but got: 2");
  CHECK(reviewed(bound_review(R"("authentication.kubernetes.io/pod-name":["a"],
      "authentication.kubernetes.io/pod-uid":[""])")) ==
        "fail to get pod UID from token review status for cluster \"demo\": pod UID is empty");
  CHECK(reviewed(bound_review())
            .starts_with("fail to get pod from k8s API server for cluster \"demo\": unable to query pods API: "));
  CHECK(reviewed(review("system:serviceaccount:spire:spire-agent")) ==
        "unable to validate token with TokenReview API for cluster \"demo\": token review API did not validate "
        "audience: wanted one of [\"spire-server\"] but got []");

  world.api->answer(kReview, bound_review());
  world.api->answer(kPod, R"({"metadata":{"uid":"pod-uid-2"},"spec":{"nodeName":"node-1"}})");
  CHECK(world.refusal(true, ErrorCode::kDenied).starts_with("pod UID mismatch for pod \"agent-1\""));
  world.api->answer(kPod, R"({"metadata":{"uid":"pod-uid-1"},"spec":{"nodeName":"node-1"}})");
  static_cast<void>(world.attest(true));
  CHECK(world.refusal(true, ErrorCode::kInternal)
            .starts_with("fail to get node from k8s API server for cluster \"demo\": unable to query nodes API: "));
  world.api->answer(kNode, R"({"metadata":{}})");
  CHECK(world.refusal(true, ErrorCode::kInternal) == "node UID is empty for cluster \"demo\"");
}
