// What a real API server (Kubernetes 1.34) answered to TokenReviews, what SPIRE's agents were told of it, and what the
// notifier k8sbundle sent: the development server asks the same, understands the answers, and says the same.
#include <boost/json/src.hpp>
#include <catch2/catch.hpp>
#include <fstream>

#include "deploy/devserver/attestors/k8s_token.h"
#include "deploy/devserver/kube/queries.h"
#include "deploy/devserver/notifiers/bundle_objects.h"
#include "tests/fakes/fake_kube_api.h"
#include "tests/unit/deploy/devserver/manual_clock.h"

namespace json = boost::json;
using namespace steeple;
using namespace steeple::devserver;
using attestation::FakeKubeApi;
using attestation::finish;
using attestation::status_message;

namespace {

constexpr char kReview[] = "POST /apis/authentication.k8s.io/v1/tokenreviews";

std::vector<json::object> recordings(const std::string& name) {
  std::ifstream in(std::string(STEEPLE_TEST_DATA) + "/k8s/" + name);
  REQUIRE(in);
  std::vector<json::object> all;
  for (std::string line; std::getline(in, line);) all.push_back(json::parse(line).as_object());
  return all;
}

std::string text(const json::value& value) { return std::string(value.as_string()); }

std::vector<std::string> texts(const json::object& object, const char* key) {
  std::vector<std::string> all;
  if (const json::value* list = object.if_contains(key)) {
    for (const json::value& item : list->as_array()) all.push_back(text(item));
  }
  return all;
}

// Asks as recorded, gets the recorded answer, and gives what the server makes of it.
runtime::Result<TokenReview> ask(const json::object& one) {
  const json::object& spec = one.at("request").at("spec").as_object();
  FakeKubeApi api;
  api.answer(kReview, json::serialize(one.at("response")));
  auto review = finish(review_token(api, text(spec.at("token")), texts(spec, "audiences"), {}, {}));
  REQUIRE(api.requests.size() == 1);
  CHECK(json::parse(api.requests[0].body).at("spec").as_object() == spec);
  return review;
}

// What follows "desc = " in the recorded log line, without the log's quotes.
std::string told(const std::string& id) {
  for (const json::object& one : recordings("node-attestation.jsonl")) {
    if (!one.contains("id") || text(one.at("id")) != id) continue;
    std::string line = text(one.at("log").as_array().back());
    std::size_t at = line.find("desc = ");
    REQUIRE(at != std::string::npos);
    std::string words;
    for (at += 7; at < line.size() && line[at] != '"'; ++at) {
      if (line[at] == '\\') ++at;
      words += line[at];
    }
    return words;
  }
  FAIL(id);
  return {};
}

// What an agent of that cluster is told, when the API server answers as it did to that review.
std::string refusal(const std::string& kind, const std::string& cluster, const std::string& review_id,
                    const std::string& username = "") {
  ManualClock clock;
  auto api = std::make_unique<FakeKubeApi>();
  for (const json::object& one : recordings("tokenreview.jsonl")) {
    if (text(one.at("id")) != review_id) continue;
    json::value response = one.at("response");
    if (!username.empty()) response.at("status").at("user").as_object()["username"] = username;
    api->answer(kReview, json::serialize(response));
  }
  K8sClusters clusters;
  K8sCluster known;
  known.config.allowed_accounts = {"spire:spire-agent"};
  known.api = std::move(api);
  clusters.emplace("kindcluster", std::move(known));
  auto attestor = kind == "k8s_sat" ? make_k8s_sat_attestor(clusters, clock) : make_k8s_psat_attestor(clusters);
  const std::string payload = json::serialize(json::object{{"cluster", cluster}, {"token", "t"}});
  auto step = finish(attestor->begin(runtime::as_bytes(payload), {}, {}));
  return step ? "accepted" : step.error().message();
}

}  // namespace

TEST_CASE("Agents are refused as recorded") {
  const std::string own = "kindcluster";
  CHECK(refusal("k8s_sat", own, "garbage-no-audiences") == told("k8s_sat-garbage"));
  CHECK(refusal("k8s_sat", own, "psat-no-audiences") == told("k8s_sat-psat-audience"));
  CHECK(refusal("k8s_sat", own, "expired-default-audience") == told("k8s_sat-expired"));
  CHECK(refusal("k8s_sat", "other", "garbage") == told("k8s_sat-unknown-cluster"));
  CHECK(refusal("k8s_psat", own, "garbage") == told("k8s_psat-garbage"));
  CHECK(refusal("k8s_psat", own, "wrong-audience") == told("k8s_psat-wrong-audience"));
  CHECK(refusal("k8s_psat", own, "mounted-default-token-audience-spire-server") == told("k8s_psat-default-audience"));
  CHECK(refusal("k8s_psat", own, "psat-not-pod-bound") == told("k8s_psat-not-pod-bound"));
  CHECK(refusal("k8s_psat", "other", "garbage") == told("k8s_psat-unknown-cluster"));
  const std::string builder = "system:serviceaccount:demo:builder";
  CHECK(refusal("k8s_sat", own, "legacy-secret-token-no-audiences", builder) == told("k8s_sat-not-allowed"));
  CHECK(refusal("k8s_psat", own, "psat-pod-bound", builder) == told("k8s_psat-not-allowed-psat"));
  CHECK(refusal("k8s_sat", own, "legacy-secret-token-no-audiences") == "accepted");
}

TEST_CASE("TokenReviews are asked and understood as recorded") {
  std::size_t accepted = 0;
  std::size_t refused = 0;
  for (const json::object& one : recordings("tokenreview.jsonl")) {
    INFO(json::serialize(one));
    if (one.at("status").as_int64() != 201) {
      CHECK(status_message(json::serialize(one.at("response"))) == text(one.at("response").at("message")));
      continue;
    }
    const json::object& status = one.at("response").at("status").as_object();
    auto review = ask(one);
    if (!status.contains("authenticated")) {
      REQUIRE_FALSE(review);
      CHECK(review.error().message() == "token review API response contains an error: " + text(status.at("error")));
      ++refused;
      continue;
    }
    REQUIRE(review);
    CHECK(review->authenticated);
    CHECK(review->username == "system:serviceaccount:spire:spire-agent");
    CHECK(review->audiences == texts(status, "audiences"));
    const json::value* extra = status.at("user").as_object().if_contains("extra");
    CHECK(review->extra.size() == (extra ? extra->as_object().size() : 0));
    ++accepted;
  }
  CHECK(accepted >= 8);
  CHECK(refused >= 10);
}

TEST_CASE("The ConfigMap is patched as recorded") {
  std::size_t compared = 0;
  for (const json::object& one : recordings("k8sbundle.jsonl")) {
    if (!one.contains("body") || text(one.at("server")) != "1.15.3") continue;
    INFO(json::serialize(one));
    json::value body = one.at("body");
    json::object metadata = body.at("metadata").as_object();
    metadata["name"] = "spire-bundle";
    auto patch = config_map_patch(json::serialize(json::object{{"metadata", metadata}}), "bundle.crt",
                                  text(body.at("data").at("bundle.crt")));
    REQUIRE(patch);
    CHECK(json::parse(patch->body) == body);
    ++compared;
  }
  CHECK(compared >= 4);
}
