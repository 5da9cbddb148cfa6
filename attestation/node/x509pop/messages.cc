#include "attestation/node/x509pop/messages.h"

#include <simdjson.h>

#include <algorithm>
#include <string>

#include "runtime/tls/encoding.h"

namespace steeple::attestation::x509pop {

namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using Json = simdjson::dom::element;

Error malformed(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

// Go matches field names without regard to case; of several, the last one counts.
bool is_key(std::string_view key, std::string_view wanted) {
  return std::equal(key.begin(), key.end(), wanted.begin(), wanted.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; });
}

// The field's value; nothing when it is absent or null, which Go reads alike.
std::optional<Json> field(simdjson::dom::object object, std::string_view wanted) {
  std::optional<Json> found;
  for (auto [key, value] : object) {
    if (!is_key(key, wanted)) continue;
    if (value.is_null()) {
      found.reset();
    } else {
      found = value;
    }
  }
  return found;
}

Result<simdjson::dom::object> as_object(Json value, std::string_view what) {
  simdjson::dom::object object;
  if (value.get_object().get(object)) return malformed(std::string(what) + " is not a JSON object");
  return object;
}

Result<Bytes> bytes_value(Json value, std::string_view what) {
  std::string_view text;
  if (value.get_string().get(text)) return malformed(std::string(what) + " is not a JSON string");
  Result<Bytes> bytes = runtime::base64_decode(text);
  if (!bytes) return malformed(std::string(what) + " is not base64");
  return bytes;
}

Result<Bytes> bytes_field(simdjson::dom::object object, std::string_view name) {
  std::optional<Json> value = field(object, name);
  if (!value) return Bytes();
  return bytes_value(*value, name);
}

// Parses one document. The parser owns what the returned object points into.
Result<std::optional<simdjson::dom::object>> parse(simdjson::dom::parser& parser, BytesView json) {
  if (json.size() > kMessageBytesMax) {
    return Error(ErrorCode::kLimit, "message of " + std::to_string(json.size()) + " bytes is too large");
  }
  Json root;
  if (auto error = parser.parse(json.data(), json.size()).get(root)) {
    return malformed(simdjson::error_message(error));
  }
  if (root.is_null()) return std::optional<simdjson::dom::object>();
  STEEPLE_TRY(object, as_object(root, "message"));
  return std::optional<simdjson::dom::object>(object);
}

Bytes finished(const std::string& text) { return runtime::to_bytes(runtime::as_bytes(text)); }
std::string quoted(BytesView bytes) { return '"' + runtime::base64_encode(bytes) + '"'; }

Result<std::optional<Bytes>> nonce_of(simdjson::dom::object message, std::string_view kind) {
  std::optional<Json> value = field(message, kind);
  if (!value) return std::optional<Bytes>();
  STEEPLE_TRY(object, as_object(*value, kind));
  STEEPLE_TRY(nonce, bytes_field(object, "nonce"));
  return std::optional<Bytes>(std::move(nonce));
}

std::string challenge_of(const std::optional<Bytes>& nonce) {
  return nonce ? "{\"nonce\":" + quoted(*nonce) + "}" : "null";
}

Result<std::optional<RsaResponse>> rsa_of(simdjson::dom::object message) {
  std::optional<Json> value = field(message, "rsa_signature");
  if (!value) return std::optional<RsaResponse>();
  STEEPLE_TRY(object, as_object(*value, "rsa_signature"));
  RsaResponse response;
  STEEPLE_TRY(nonce, bytes_field(object, "nonce"));
  STEEPLE_TRY(signature, bytes_field(object, "signature"));
  response.nonce = std::move(nonce);
  response.signature = std::move(signature);
  return std::optional<RsaResponse>(std::move(response));
}

Result<std::optional<EcdsaResponse>> ecdsa_of(simdjson::dom::object message) {
  std::optional<Json> value = field(message, "ecdsa_signature");
  if (!value) return std::optional<EcdsaResponse>();
  STEEPLE_TRY(object, as_object(*value, "ecdsa_signature"));
  EcdsaResponse response;
  STEEPLE_TRY(nonce, bytes_field(object, "nonce"));
  STEEPLE_TRY(r, bytes_field(object, "r"));
  STEEPLE_TRY(s, bytes_field(object, "s"));
  response.nonce = std::move(nonce);
  response.r = std::move(r);
  response.s = std::move(s);
  return std::optional<EcdsaResponse>(std::move(response));
}

}  // namespace

Bytes format_attestation_data(const AttestationData& data) {
  std::string list;
  for (const Bytes& certificate : data.certificates) {
    if (!list.empty()) list += ',';
    list += quoted(certificate);
  }
  return finished(data.certificates.empty() ? "{\"certificates\":null}" : "{\"certificates\":[" + list + "]}");
}

Result<AttestationData> parse_attestation_data(BytesView json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(message, parse(parser, json));
  AttestationData data;
  std::optional<Json> list = message ? field(*message, "certificates") : std::nullopt;
  if (!list) return data;
  simdjson::dom::array certificates;
  if (list->get_array().get(certificates)) return malformed("certificates is not a JSON array");
  for (Json item : certificates) {
    if (data.certificates.size() == kCertificatesMax) return Error(ErrorCode::kLimit, "too many certificates");
    if (item.is_null()) {
      data.certificates.emplace_back();
      continue;
    }
    STEEPLE_TRY(certificate, bytes_value(item, "certificate"));
    data.certificates.push_back(std::move(certificate));
  }
  return data;
}

Bytes format_challenge(const Challenge& challenge) {
  return finished("{\"rsa_signature\":" + challenge_of(challenge.rsa_nonce) +
                  ",\"ecdsa_signature\":" + challenge_of(challenge.ecdsa_nonce) + "}");
}

Result<Challenge> parse_challenge(BytesView json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(message, parse(parser, json));
  Challenge challenge;
  if (!message) return challenge;
  STEEPLE_TRY(rsa, nonce_of(*message, "rsa_signature"));
  STEEPLE_TRY(ecdsa, nonce_of(*message, "ecdsa_signature"));
  challenge.rsa_nonce = std::move(rsa);
  challenge.ecdsa_nonce = std::move(ecdsa);
  return challenge;
}

Bytes format_response(const Response& response) {
  std::string rsa = "null";
  std::string ecdsa = "null";
  if (response.rsa) {
    rsa = "{\"nonce\":" + quoted(response.rsa->nonce) + ",\"signature\":" + quoted(response.rsa->signature) + "}";
  }
  if (response.ecdsa) {
    ecdsa = "{\"nonce\":" + quoted(response.ecdsa->nonce) + ",\"r\":" + quoted(response.ecdsa->r) +
            ",\"s\":" + quoted(response.ecdsa->s) + "}";
  }
  return finished("{\"rsa_signature\":" + rsa + ",\"ecdsa_signature\":" + ecdsa + "}");
}

Result<Response> parse_response(BytesView json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(message, parse(parser, json));
  Response response;
  if (!message) return response;
  STEEPLE_TRY(rsa, rsa_of(*message));
  STEEPLE_TRY(ecdsa, ecdsa_of(*message));
  response.rsa = std::move(rsa);
  response.ecdsa = std::move(ecdsa);
  return response;
}

}  // namespace steeple::attestation::x509pop
