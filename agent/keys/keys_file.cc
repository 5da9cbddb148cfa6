#include "agent/keys/keys_file.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "agent/spiffe/json_text.h"
#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::SecretBytes;
namespace dom = simdjson::dom;

namespace {

// The file's types; others that PrivateKey can load are refused, as the Go agent does.
bool is_allowed(runtime::KeyType type) {
  return type != runtime::KeyType::kEcP521 && type != runtime::KeyType::kRsaOther;
}

// A decoded string lies in the parser's own memory, which is given back unwiped.
void wipe_decoded(std::string_view text) { runtime::wipe_memory(const_cast<char*>(text.data()), text.size()); }

Result<runtime::PrivateKey> parse_key(std::string_view id, std::string_view base64) {
  Result<runtime::Bytes> decoded = runtime::base64_decode(base64);
  if (!decoded) return std::move(decoded.error()).with_context("unable to decode keys JSON");
  SecretBytes der(std::move(*decoded));
  Result<runtime::PrivateKey> key = runtime::PrivateKey::from_pkcs8(der.view());
  std::string where = "unable to parse key " + runtime::go_quote(id);
  if (!key) return std::move(key.error()).with_context(where);
  if (!is_allowed(key->type())) {
    return Error(ErrorCode::kInvalidArgument, where + ": unsupported type " + std::string(to_string(key->type())));
  }
  return key;
}

Result<void> add_keys(KeyMap& keys, dom::element value) {
  if (value.is_null()) return {};
  dom::object object;
  if (value.get(object) != simdjson::SUCCESS) {
    return Error(ErrorCode::kMalformed, "unable to decode keys JSON: json: \"keys\" is not an object");
  }
  for (auto [id, element] : object) {
    std::string_view base64;
    if (element.get(base64) != simdjson::SUCCESS) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("unable to decode keys JSON: json: key {} is not a string", runtime::go_quote(id)));
    }
    Result<runtime::PrivateKey> key = parse_key(id, base64);
    wipe_decoded(base64);
    if (!key) return std::move(key.error());
    if (keys.size() >= kKeysMax) return Error(ErrorCode::kLimit, "too many keys");
    keys.insert_or_assign(std::string(id), std::move(*key));
  }
  return {};
}

}  // namespace

Result<KeyMap> parse_keys_file(std::string_view json) {
  if (json.size() > kKeysFileSizeMax) return Error(ErrorCode::kLimit, "keys file is too large");
  // A padded copy of our own: the parser's would be given back unwiped.
  runtime::Bytes padded(json.begin(), json.end());
  padded.resize(json.size() + simdjson::SIMDJSON_PADDING);
  SecretBytes copy(std::move(padded));
  dom::parser parser;
  dom::element root;
  const char* text = runtime::as_text(copy.view()).data();
  if (auto error = parser.parse(text, json.size(), false).get(root); error != simdjson::SUCCESS) {
    return json_error(json, simdjson::error_message(error)).with_context("unable to decode keys JSON");
  }
  KeyMap keys;
  if (root.is_null()) return keys;
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) {
    return Error(ErrorCode::kMalformed, "unable to decode keys JSON: json: not an object");
  }
  for (auto [name, value] : object) {
    if (same_member(name, "keys")) STEEPLE_CHECK(add_keys(keys, value));
  }
  return keys;
}

SecretBytes format_keys_file(const KeyMap& keys) {
  // Reserved at once: a growing buffer would leave copies of keys behind.
  std::size_t size = 64;
  for (const auto& [id, key] : keys) size += id.size() * 6 + key.to_pkcs8().size() * 2 + 16;
  runtime::Bytes out;
  out.reserve(size);
  auto append = [&out](std::string_view text) { out.insert(out.end(), text.begin(), text.end()); };
  append(keys.empty() ? "{\n\t\"keys\": {" : "{\n\t\"keys\": {\n");
  std::size_t left = keys.size();
  for (const auto& [id, key] : keys) {
    append("\t\t");
    append(json_quote(id));
    append(": \"");
    std::string base64 = runtime::base64_encode(key.to_pkcs8().view());
    append(base64);
    runtime::wipe_memory(base64.data(), base64.size());
    append(--left != 0 ? "\",\n" : "\"\n");
  }
  append(keys.empty() ? "}\n}" : "\t}\n}");
  return SecretBytes(std::move(out));
}

}  // namespace steeple::agent
