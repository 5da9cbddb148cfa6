#include "deploy/devserver/kube/objects.h"

#include <simdjson.h>

#include "runtime/core/log.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::json_string;
using runtime::Result;
using simdjson::dom::element;

Error malformed(std::string_view what) {
  return Error(ErrorCode::kMalformed, std::string("malformed answer of the API server: ") + std::string(what));
}

// What is absent or of another type is an error value of the library, and is passed over by what reads it.
using Found = simdjson::simdjson_result<element>;

std::string text_of(element value) {
  std::string_view text;
  return value.get_string().get(text) ? std::string() : std::string(text);
}
std::string text_of(Found value) {
  element found;
  return value.get(found) ? std::string() : text_of(found);
}

std::vector<std::string> texts_of(element value) {
  std::vector<std::string> texts;
  simdjson::dom::array items;
  if (value.get_array().get(items)) return texts;
  for (element item : items) texts.push_back(text_of(item));
  return texts;
}

std::map<std::string, std::string, std::less<>> labels_of(element object) {
  std::map<std::string, std::string, std::less<>> labels;
  simdjson::dom::object found;
  if (object["metadata"]["labels"].get_object().get(found)) return labels;
  for (auto [key, value] : found) labels.emplace(key, text_of(value));
  return labels;
}

// Parses one object. The parser owns what the returned element points into.
Result<element> parse(simdjson::dom::parser& parser, std::string_view json) {
  element root;
  if (auto error = parser.parse(json.data(), json.size()).get(root)) return malformed(simdjson::error_message(error));
  if (!root.is_object()) return malformed("not an object");
  return root;
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

std::string status_message(std::string_view json) {
  simdjson::dom::parser parser;
  Result<element> root = parse(parser, json);
  if (!root || text_of((*root)["kind"]) != "Status") return {};
  return text_of((*root)["message"]);
}

}  // namespace steeple::devserver
