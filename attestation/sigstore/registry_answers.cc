#include "attestation/sigstore/registry_answers.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "attestation/sigstore/image_reference.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::SecretBytes;

namespace {

namespace dom = simdjson::dom;
constexpr int kDetailDepthMax = 8;

Error malformed(std::string_view what, std::string_view why) {
  return Error(ErrorCode::kMalformed, fmt::format("malformed {}: {}", what, why));
}

// A field that is absent or null leaves `out` as it is; false where it is of another type.
bool read(dom::object object, std::string_view key, std::string& out) {
  dom::element value;
  if (object[key].get(value) || value.is_null()) return true;
  std::string_view text;
  if (value.get(text)) return false;
  out = text;
  return true;
}

bool read_annotations(dom::object layer, std::map<std::string, std::string>& out) {
  dom::element value;
  if (layer["annotations"].get(value) || value.is_null()) return true;
  dom::object annotations;
  if (value.get(annotations)) return false;
  for (auto [key, element] : annotations) {
    std::string_view text;
    if (element.get(text)) return false;
    out.insert_or_assign(std::string(key), std::string(text));
  }
  return true;
}

Result<LayerDescriptor> read_layer(dom::element element) {
  dom::object object;
  if (element.get(object)) return malformed("manifest", "a layer is not an object");
  LayerDescriptor layer;
  std::string data;
  std::int64_t size = -1;
  if (!read(object, "mediaType", layer.media_type) || !read(object, "digest", layer.digest) ||
      !read(object, "data", data) || !read_annotations(object, layer.annotations)) {
    return malformed("manifest", "a field of a layer is of another type");
  }
  if (!is_sha256_digest(layer.digest)) return malformed("manifest", "a layer without a SHA-256 digest");
  if (object["size"].get(size) || size < 0) return malformed("manifest", "a layer without a size");
  layer.size = static_cast<std::uint64_t>(size);
  if (data.empty()) return std::move(layer);
  STEEPLE_TRY(content, runtime::base64_decode(data));
  if ("sha256:" + runtime::to_hex(runtime::sha256(content)) != layer.digest || content.size() != layer.size) {
    return malformed("manifest", "the data of a layer is not what its digest says");
  }
  layer.data = runtime::to_text(content);
  return std::move(layer);
}

// As Go prints a decoded value.
std::string go_value(dom::element value, int depth = 0) {
  if (depth == kDetailDepthMax) return "...";
  std::string out;
  const auto add = [&](std::string_view text) { out += (out.empty() ? "" : " ") + std::string(text); };
  if (dom::object object; !value.get(object)) {
    std::map<std::string, std::string> sorted;
    for (auto [key, element] : object) sorted.insert_or_assign(std::string(key), go_value(element, depth + 1));
    for (const auto& [key, text] : sorted) add(key + ":" + text);
    return "map[" + out + "]";
  }
  if (dom::array array; !value.get(array)) {
    for (dom::element element : array) add(go_value(element, depth + 1));
    return "[" + out + "]";
  }
  if (std::string_view text; !value.get(text)) return std::string(text);
  if (double number = 0; !value.get(number)) return fmt::format("{}", number);
  return value.is_null() ? "<nil>" : simdjson::minify(value);
}

std::string diagnostics(std::string_view body) {
  dom::parser parser;
  dom::element root;
  dom::array errors;
  if (parser.parse(body.data(), body.size()).get(root) || root["errors"].get(errors)) return {};
  std::string out;
  for (dom::element element : errors) {
    dom::object object;
    if (element.get(object)) return {};
    std::string code, message;
    if (!read(object, "code", code) || !read(object, "message", message)) return {};
    if (!out.empty()) out += "; ";
    out += code + ": " + message;
    if (dom::element detail; !object["detail"].get(detail) && !detail.is_null()) out += "; " + go_value(detail);
  }
  return errors.size() > 1 ? "multiple errors returned: " + out : out;
}

std::string without_query_values(std::string_view url) {
  const std::size_t query = url.find('?');
  if (query == std::string_view::npos) return std::string(url);
  std::string out(url.substr(0, query));
  char separator = '?';
  for (std::string_view rest = url.substr(query + 1); !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    const std::string_view key = pair.substr(0, pair.find('='));
    const bool shown = key == "scope" || key == "service" || key == "digest";
    out += separator + (shown ? std::string(pair) : std::string(key) + "=REDACTED");
    separator = '&';
  }
  return out;
}

}  // namespace

Result<std::vector<LayerDescriptor>> parse_signature_manifest(std::string_view json) {
  dom::parser parser;
  dom::element root;
  if (auto error = parser.parse(json.data(), json.size()).get(root)) {
    return malformed("manifest", simdjson::error_message(error));
  }
  if (!root.is_object()) return malformed("manifest", "not an object");
  std::vector<LayerDescriptor> layers;
  dom::element list;
  if (root["layers"].get(list) || list.is_null()) {
    if (root.at_key("manifests").error() == simdjson::SUCCESS) return malformed("manifest", "an index, not an image");
    return layers;
  }
  dom::array elements;
  if (list.get(elements)) return malformed("manifest", "layers is not a list");
  const auto count = static_cast<std::size_t>(std::distance(elements.begin(), elements.end()));
  if (count > kSignatureLayersMax) {
    return Error(ErrorCode::kLimit,
                 fmt::format("number of layers ({}) exceeded the limit ({})", count, kSignatureLayersMax));
  }
  for (dom::element element : elements) {
    STEEPLE_TRY(layer, read_layer(element));
    layers.push_back(std::move(layer));
  }
  return layers;
}

Result<TokenAnswer> parse_token_answer(std::string_view json) {
  dom::parser parser;
  dom::object object;
  if (parser.parse(json.data(), json.size()).get(object)) return malformed("token answer", "not a JSON object");
  const auto secret = [&](std::string_view key) {
    std::string_view text;
    return object[key].get(text) ? SecretBytes() : SecretBytes(runtime::as_bytes(text));
  };
  TokenAnswer answer{secret("access_token"), secret("refresh_token")};
  if (answer.token.empty()) answer.token = secret("token");
  if (answer.token.empty()) return Error(ErrorCode::kMalformed, "no token in bearer response");
  return std::move(answer);
}

std::string registry_error(std::string_view method, std::string_view url, std::string_view status,
                           std::string_view body) {
  std::string text = diagnostics(body).substr(0, kErrorTextMax);
  if (text.empty()) {
    text = fmt::format("unexpected status code {}", status);
    if (!body.empty()) text += ": " + std::string(body.substr(0, kErrorTextMax));
  }
  return fmt::format("{} {}: {}", method, without_query_values(url), text);
}

}  // namespace steeple::attestation
