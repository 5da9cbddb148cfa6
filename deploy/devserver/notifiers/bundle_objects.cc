#include "deploy/devserver/notifiers/bundle_objects.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "deploy/devserver/notifiers/k8s_bundle.h"
#include "runtime/core/log.h"
#include "runtime/tls/encoding.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::json_string;
using runtime::Result;
using simdjson::dom::element;
using Found = simdjson::simdjson_result<element>;
using Patches = std::vector<BundlePatch>;
using ToBody = std::string (*)(element item, const std::string& bundle);

Error malformed(std::string_view what) {
  return Error(ErrorCode::kMalformed, fmt::format("malformed answer of the API server: {}", what));
}

std::string_view text_of(Found value) {
  std::string_view text;
  return value.get_string().get(text) ? std::string_view() : text;
}

Result<element> parse(simdjson::dom::parser& parser, std::string_view json) {
  element root;
  if (auto error = parser.parse(json.data(), json.size()).get(root)) return malformed(simdjson::error_message(error));
  if (!root.is_object()) return malformed("not an object");
  return root;
}

std::string patch_of(element object, std::string_view rest) {
  return fmt::format(R"({{"metadata":{{"resourceVersion":{}}},{}}})",
                     json_string(text_of(object["metadata"]["resourceVersion"])), rest);
}

// Only what is to change goes out; the merge goes by the webhooks' names.
std::string webhook_body(element item, const std::string& bundle) {
  simdjson::dom::array webhooks;
  if (item["webhooks"].get_array().get(webhooks)) return {};
  std::string list;
  bool needed = false;
  for (element webhook : webhooks) {
    needed = needed || text_of(webhook["clientConfig"]["caBundle"]) != bundle;
    list += fmt::format(R"({}{{"name":{},"clientConfig":{{"caBundle":"{}"}}}})", list.empty() ? "" : ",",
                        json_string(text_of(webhook["name"])), bundle);
  }
  return needed ? patch_of(item, R"("webhooks":[)" + list + "]") : std::string();
}

std::string api_service_body(element item, const std::string& bundle) {
  if (text_of(item["spec"]["caBundle"]) == bundle) return {};
  return patch_of(item, fmt::format(R"("spec":{{"caBundle":"{}"}})", bundle));
}

Result<Patches> patches_of(std::string_view list, std::string_view pem, ToBody body_of) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(root, parse(parser, list));
  Patches patches;
  simdjson::dom::array items;
  if (root["items"].get_array().get(items)) return patches;  // null: none
  const std::string bundle = runtime::base64_encode(runtime::as_bytes(pem));
  for (element item : items) {
    if (patches.size() == kLabelledObjectsMax) return Error(ErrorCode::kLimit, "too many objects have the label");
    std::string name(text_of(item["metadata"]["name"]));
    if (name.empty()) return malformed("an object without a name");
    patches.push_back({std::move(name), body_of(item, bundle)});
  }
  return patches;
}

}  // namespace

Result<BundlePatch> config_map_patch(std::string_view config_map, std::string_view key, std::string_view pem) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(root, parse(parser, config_map));
  BundlePatch patch;
  patch.name = text_of(root["metadata"]["name"]);
  if (text_of(root["data"][key]) == pem) return patch;
  patch.body = patch_of(root, fmt::format(R"("data":{{{}:{}}})", json_string(key), json_string(pem)));
  return patch;
}

std::string new_config_map(std::string_view name_space, std::string_view name, std::string_view key,
                           std::string_view pem) {
  return fmt::format(
      R"({{"kind":"ConfigMap","apiVersion":"v1","metadata":{{"name":{},"namespace":{}}},"data":{{{}:{}}}}})",
      json_string(name), json_string(name_space), json_string(key), json_string(pem));
}

Result<Patches> webhook_patches(std::string_view list, std::string_view pem) {
  return patches_of(list, pem, webhook_body);
}

Result<Patches> api_service_patches(std::string_view list, std::string_view pem) {
  return patches_of(list, pem, api_service_body);
}

}  // namespace steeple::devserver
