#include "agent/spiffe/jwks.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "agent/spiffe/json_text.h"
#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/public_key.h"

namespace steeple::agent {

using runtime::Bytes;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
namespace dom = simdjson::dom;

namespace {

constexpr std::size_t kKeysMax = 4096;

// The members of one entry that count; views live as long as the parsed document.
struct Jwk {
  std::string_view use, kty, kid, crv, x, y, n, e;
  std::vector<std::string_view> x5c;
};

Error wrong_type(std::string_view member) {
  return Error(ErrorCode::kMalformed, fmt::format("json: member {} has the wrong type", runtime::go_quote(member)));
}

Result<std::vector<std::string_view>> string_list(dom::element value) {
  std::vector<std::string_view> out;
  if (value.is_null()) return out;
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return wrong_type("x5c");
  for (dom::element item : list) {
    std::string_view text;
    if (item.get(text) != simdjson::SUCCESS) return wrong_type("x5c");
    out.push_back(text);
  }
  return out;
}

Result<Jwk> read_jwk(dom::element entry) {
  dom::object object;
  if (entry.get(object) != simdjson::SUCCESS) return wrong_type("keys");
  Jwk jwk;
  const std::pair<std::string_view, std::string_view*> texts[] = {
      {"use", &jwk.use}, {"kty", &jwk.kty}, {"kid", &jwk.kid}, {"crv", &jwk.crv},
      {"x", &jwk.x},     {"y", &jwk.y},     {"n", &jwk.n},     {"e", &jwk.e}};
  for (auto [name, value] : object) {
    if (same_member(name, "x5c")) {
      STEEPLE_TRY(list, string_list(value));
      jwk.x5c = std::move(list);
    }
    for (auto [wanted, target] : texts) {
      if (!same_member(name, wanted) || value.is_null()) continue;
      if (value.get(*target) != simdjson::SUCCESS) return wrong_type(wanted);
    }
  }
  return jwk;
}

std::string_view without_padding(std::string_view text) { return text.substr(0, text.find_last_not_of('=') + 1); }

// An empty result: a type of key that is passed over.
Result<Bytes> jwk_public_key(const Jwk& jwk) {
  runtime::PublicKeyNumbers numbers;
  numbers.rsa = jwk.kty == "RSA";
  if (!numbers.rsa && jwk.kty != "EC") return Bytes();
  if (!numbers.rsa) numbers.bits = jwk.crv == "P-256" ? 256 : jwk.crv == "P-384" ? 384 : jwk.crv == "P-521" ? 521 : 0;
  STEEPLE_TRY(first, runtime::base64url_decode(without_padding(numbers.rsa ? jwk.n : jwk.x)));
  STEEPLE_TRY(second, runtime::base64url_decode(without_padding(numbers.rsa ? jwk.e : jwk.y)));
  numbers.first = std::move(first);
  numbers.second = std::move(second);
  return runtime::encode_public_key(numbers);
}

Result<void> add_x509(Bundle& bundle, const Jwk& jwk, std::size_t index) {
  if (jwk.x5c.size() != 1) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("expected a single certificate in x509-svid entry {}; got {}", index, jwk.x5c.size()));
  }
  std::string where = fmt::format("x509-svid entry {}", index);
  STEEPLE_TRY(der, with_context(runtime::base64_decode(jwk.x5c.front()), where));
  STEEPLE_TRY(certificate, with_context(runtime::Certificate::parse(der), where));
  STEEPLE_TRY(key, with_context(jwk_public_key(jwk), where));
  if (!key.empty() && !runtime::same_public_key(key, certificate.public_key())) {
    return Error(ErrorCode::kMalformed, where + ": public keys in key and x5c fields do not match");
  }
  bundle.add_x509_authority(std::move(certificate));
  return {};
}

Result<void> add_entry(Bundle& bundle, const Jwk& jwk, std::size_t index) {
  if (jwk.use == "x509-svid") return add_x509(bundle, jwk, index);
  if (jwk.use.empty()) return Error(ErrorCode::kMalformed, fmt::format("missing use for key entry {}", index));
  if (jwk.use != "jwt-svid" && jwk.use != "wit-svid") {
    return Error(ErrorCode::kMalformed,
                 fmt::format("unrecognized use {} for key entry {}", runtime::go_quote(jwk.use), index));
  }
  if (jwk.kid.empty())
    return Error(ErrorCode::kMalformed, fmt::format("missing key ID in {} entry {}", jwk.use, index));
  if (jwk.use == "wit-svid") return {};
  STEEPLE_TRY(key, with_context(jwk_public_key(jwk), fmt::format("jwt-svid entry {}", index)));
  if (!key.empty()) bundle.add_jwt_authority(JwtAuthority(std::string(jwk.kid), std::move(key)));
  return {};
}

Result<void> add_entries(Bundle& bundle, dom::element keys) {
  if (keys.is_null()) return {};
  dom::array list;
  if (keys.get(list) != simdjson::SUCCESS) return wrong_type("keys");
  if (list.size() > kKeysMax) return Error(ErrorCode::kLimit, "too many keys in bundle document");
  std::size_t index = 0;
  for (dom::element entry : list) {
    STEEPLE_TRY(jwk, read_jwk(entry));
    STEEPLE_CHECK(add_entry(bundle, jwk, index++));
  }
  return {};
}

// The members of one key in SPIRE's order, each already `"name": value`.
std::vector<std::string> key_members(std::string_view use, std::string_view key_id,
                                     const runtime::PublicKeyNumbers& numbers, runtime::BytesView certificate) {
  auto text = [](std::string_view name, std::string_view value) {
    return fmt::format("\"{}\": {}", name, json_quote(value));
  };
  std::vector<std::string> members;
  if (!use.empty()) members.push_back(text("use", use));
  members.push_back(text("kty", numbers.rsa ? "RSA" : "EC"));
  if (!key_id.empty()) members.push_back(text("kid", key_id));
  if (!numbers.rsa) members.push_back(text("crv", fmt::format("P-{}", numbers.bits)));
  members.push_back(text(numbers.rsa ? "n" : "x", runtime::base64url_encode(numbers.first)));
  members.push_back(text(numbers.rsa ? "e" : "y", runtime::base64url_encode(numbers.second)));
  if (!certificate.empty()) {
    members.push_back(
        fmt::format("\"x5c\": [\n                {}\n            ]", json_quote(runtime::base64_encode(certificate))));
  }
  return members;
}

std::string join_members(const std::vector<std::string>& members, std::string_view indent) {
  std::string out;
  for (std::size_t i = 0; i < members.size(); ++i) {
    out += fmt::format("\n{}{}{}", indent, members[i], i + 1 < members.size() ? "," : "");
  }
  return out;
}

std::string key_object(const std::vector<std::string>& members) {
  return fmt::format("{{{}\n        }}", join_members(members, "            "));
}

std::string key_list(const std::vector<std::string>& keys) {
  return keys.empty() ? "\"keys\": []" : fmt::format("\"keys\": [{}\n    ]", join_members(keys, "        "));
}

// Line ends and the indentation after them, and the blank after a member's name, all outside strings.
std::string compact(std::string_view indented) {
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < indented.size(); ++i) {
    char c = indented[i];
    if (quoted && c == '\\') {
      out += c;
      out += indented[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (quoted || (c != '\n' && c != ' ')) out += c;
  }
  return out;
}

}  // namespace

Result<Bundle> parse_bundle_document(const TrustDomain& trust_domain, std::string_view json) {
  if (json.size() > kBundleDocumentSizeMax) return Error(ErrorCode::kLimit, "bundle document is too large");
  dom::parser parser;
  dom::element root;
  if (auto error = parser.parse(json.data(), json.size(), true).get(root); error != simdjson::SUCCESS) {
    return json_error(json, simdjson::error_message(error));
  }
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS)
    return Error(ErrorCode::kMalformed, "json: bundle document is not an object");
  Bundle bundle(trust_domain);
  dom::element keys;
  bool has_keys = false;
  std::int64_t refresh_hint = 0;
  std::uint64_t sequence_number = 0;
  for (auto [name, value] : object) {
    if (same_member(name, "keys")) {
      keys = value;
      has_keys = true;
    } else if (same_member(name, "spiffe_refresh_hint") && !value.is_null()) {
      if (value.get(refresh_hint) != simdjson::SUCCESS) return wrong_type(name);
    } else if (same_member(name, "spiffe_sequence") && !value.is_null()) {
      if (value.get(sequence_number) != simdjson::SUCCESS) return wrong_type(name);
    }
  }
  bundle.set_refresh_hint(std::chrono::seconds(refresh_hint));
  if (sequence_number != 0) bundle.set_sequence_number(sequence_number);
  if (has_keys) STEEPLE_CHECK(add_entries(bundle, keys));
  return bundle;
}

Result<std::string> format_bundle_document(const Bundle& bundle, bool indent) {
  std::vector<std::string> keys;
  auto add = [&](const std::vector<std::string>& members) { keys.push_back(key_object(members)); };
  for (const X509Authority& authority : bundle.x509_authorities()) {
    STEEPLE_TRY(numbers, runtime::public_key_numbers(authority.certificate.public_key()));
    add(key_members("x509-svid", "", numbers, authority.certificate.der()));
  }
  for (const auto& [key_id, authority] : bundle.jwt_authorities()) {
    STEEPLE_TRY(numbers, runtime::public_key_numbers(authority.public_key));
    add(key_members("jwt-svid", key_id, numbers, {}));
  }
  std::vector<std::string> members{key_list(keys)};
  if (bundle.sequence_number().value_or(0) != 0) {
    members.push_back(fmt::format("\"spiffe_sequence\": {}", *bundle.sequence_number()));
  }
  if (auto hint = bundle.refresh_hint().value_or(std::chrono::seconds(0)); hint.count() != 0) {
    members.push_back(fmt::format("\"spiffe_refresh_hint\": {}", hint.count()));
  }
  std::string document = fmt::format("{{{}\n}}", join_members(members, "    "));
  return indent ? document : compact(document);
}

std::string format_jwt_key_set(const Bundle& bundle) {
  std::vector<std::string> keys;
  for (const auto& [key_id, authority] : bundle.jwt_authorities()) {
    Result<runtime::PublicKeyNumbers> numbers = runtime::public_key_numbers(authority.public_key);
    if (numbers) keys.push_back(key_object(key_members("", key_id, *numbers, {})));
  }
  return fmt::format("{{\n    {}\n}}", key_list(keys));
}

}  // namespace steeple::agent
