#include "deploy/devserver/kube/objects.h"

#include "attestation/kube/object_json.h"
#include "runtime/core/log.h"

namespace steeple::devserver {
namespace {

using attestation::object_json::element;
using attestation::object_json::labels_of;
using attestation::object_json::malformed;
using attestation::object_json::parse;
using attestation::object_json::text_of;
using runtime::json_string;
using runtime::Result;

std::vector<std::string> texts_of(element value) {
  std::vector<std::string> texts;
  simdjson::dom::array items;
  if (value.get_array().get(items)) return texts;
  for (element item : items) texts.push_back(text_of(item));
  return texts;
}

}  // namespace

std::string token_review_request(std::string_view token, const std::vector<std::string>& audiences) {
  std::string list;
  for (const std::string& audience : audiences) list += (list.empty() ? "" : ",") + json_string(audience);
  std::string request = R"({"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":)";
  request += json_string(token);
  if (!audiences.empty()) request += R"(,"audiences":[)" + list + "]";
  return request + "}}";
}

Result<TokenReview> parse_token_review(std::string_view json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(root, parse(parser, json));
  element status;
  if (root["status"].get(status) || !status.is_object()) return malformed("a TokenReview without status");
  TokenReview review;
  bool authenticated = false;
  review.authenticated = !status["authenticated"].get_bool().get(authenticated) && authenticated;
  review.error = text_of(status["error"]);
  review.username = text_of(status["user"]["username"]);
  element audiences;
  if (!status["audiences"].get(audiences)) review.audiences = texts_of(audiences);
  simdjson::dom::object extra;
  if (!status["user"]["extra"].get_object().get(extra)) {
    for (auto [key, value] : extra) review.extra.emplace(key, texts_of(value));
  }
  return review;
}

Result<KubePod> parse_pod(std::string_view json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(root, parse(parser, json));
  KubePod pod;
  pod.node_name = text_of(root["spec"]["nodeName"]);
  pod.host_ip = text_of(root["status"]["hostIP"]);
  pod.uid = text_of(root["metadata"]["uid"]);
  pod.labels = labels_of(root);
  return pod;
}

Result<KubeNode> parse_node(std::string_view json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(root, parse(parser, json));
  KubeNode node;
  node.uid = text_of(root["metadata"]["uid"]);
  node.labels = labels_of(root);
  return node;
}

}  // namespace steeple::devserver
