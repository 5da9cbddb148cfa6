#include "attestation/node/k8s_token/messages.h"

#include <simdjson.h>

#include <algorithm>

#include "runtime/core/log.h"

namespace steeple::attestation::k8s_token {

namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

bool is_key(std::string_view key, std::string_view wanted) {
  return std::equal(key.begin(), key.end(), wanted.begin(), wanted.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

// Of several fields of that name, the last one that is not null counts.
Result<std::string_view> text_field(simdjson::dom::object object, std::string_view wanted) {
  std::string_view found;
  for (auto [key, value] : object) {
    if (!is_key(key, wanted) || value.is_null()) continue;
    if (value.get_string().get(found)) return malformed(std::string(wanted) + " is not a JSON string");
  }
  return found;
}

}  // namespace

runtime::SecretBytes format_attestation_data(std::string_view cluster, std::string_view token) {
  std::string text = "{\"cluster\":" + runtime::json_string(cluster) + ",\"token\":";
  std::string quoted = runtime::json_string(token);
  text.reserve(text.size() + quoted.size() + 1);  // no copy of the token is left behind by growing
  text += quoted;
  text += '}';
  runtime::SecretBytes payload(runtime::as_bytes(text));
  runtime::wipe_memory(quoted.data(), quoted.size());
  runtime::wipe_memory(text.data(), text.size());
  return payload;
}

Result<AttestationData> parse_attestation_data(runtime::BytesView json) {
  if (json.size() > kPayloadBytesMax) {
    return Error(ErrorCode::kLimit, "payload of " + std::to_string(json.size()) + " bytes is too large");
  }
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (auto error = parser.parse(json.data(), json.size()).get(root)) return malformed(simdjson::error_message(error));
  if (root.is_null()) return AttestationData();
  simdjson::dom::object object;
  if (root.get_object().get(object)) return malformed("the payload is not a JSON object");
  STEEPLE_TRY(cluster, text_field(object, "cluster"));
  STEEPLE_TRY(token, text_field(object, "token"));
  return AttestationData{std::string(cluster), runtime::SecretBytes(runtime::as_bytes(token))};
}

}  // namespace steeple::attestation::k8s_token
