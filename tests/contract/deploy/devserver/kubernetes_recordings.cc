// What a real API server (Kubernetes 1.34) answered to TokenReviews, and what SPIRE's notifier k8sbundle sent it: the
// development server asks the same and understands the answers.
#include <boost/json/src.hpp>
#include <catch2/catch.hpp>
#include <fstream>

#include "deploy/devserver/kube/queries.h"
#include "deploy/devserver/notifiers/bundle_objects.h"
#include "tests/unit/deploy/devserver/fake_kube_api.h"

namespace json = boost::json;
using namespace steeple;
using namespace steeple::devserver;

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

}  // namespace

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
