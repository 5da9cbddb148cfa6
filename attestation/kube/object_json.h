// Reading Kubernetes objects by simdjson's DOM, where what is absent or of another type is as good as empty. For the
// parsers of an API server's answers; not for headers.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "attestation/kube/objects.h"

namespace steeple::attestation::object_json {

using simdjson::dom::element;
// What is absent is an error value of the library, and is passed over by what reads it.
using Found = simdjson::simdjson_result<element>;

inline runtime::Error malformed(std::string_view what) {
  return runtime::Error(runtime::ErrorCode::kMalformed,
                        std::string("malformed answer of the API server: ") + std::string(what));
}

inline std::string text_of(element value) {
  std::string_view text;
  return value.get_string().get(text) ? std::string() : std::string(text);
}

inline std::string text_of(Found value) {
  element found;
  return value.get(found) ? std::string() : text_of(found);
}

inline KubeLabels labels_of(element object) {
  KubeLabels labels;
  simdjson::dom::object found;
  if (object["metadata"]["labels"].get_object().get(found)) return labels;
  for (auto [key, value] : found) labels.emplace(key, text_of(value));
  return labels;
}

// Parses one object. The parser owns what the returned element points into.
inline runtime::Result<element> parse(simdjson::dom::parser& parser, std::string_view json) {
  element root;
  if (auto error = parser.parse(json.data(), json.size()).get(root)) return malformed(simdjson::error_message(error));
  if (!root.is_object()) return malformed("not an object");
  return root;
}

}  // namespace steeple::attestation::object_json
