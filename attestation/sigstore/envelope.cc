#include "attestation/sigstore/envelope.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "attestation/sigstore/key_signature.h"
#include "attestation/sigstore/shortened.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
namespace dom = simdjson::dom;

namespace {

Error malformed(std::string_view reason) {
  return Error(ErrorCode::kMalformed, fmt::format("malformed envelope: {}", reason));
}

Result<Bytes> decode(std::string_view text) {
  Result<Bytes> standard = runtime::base64_decode(text);
  if (standard) return standard;
  if (text.find_first_of("+/") == std::string_view::npos) {
    std::string translated(text);
    std::replace(translated.begin(), translated.end(), '-', '+');
    std::replace(translated.begin(), translated.end(), '_', '/');
    if (Result<Bytes> url = runtime::base64_decode(translated)) return url;
  }
  return Error(ErrorCode::kMalformed, "unable to base64 decode payload (is payload in the right format?)");
}

}  // namespace

Result<Envelope> parse_envelope(std::string_view json) {
  dom::parser parser;
  dom::element document;
  if (auto error = parser.parse(json.data(), json.size()).get(document)) {
    return malformed(simdjson::error_message(error));
  }
  Envelope envelope;
  std::string_view type;
  if (document["payloadType"].get_string().get(type)) return malformed("no payloadType");
  if (type != kInTotoPayloadType) {
    return Error(ErrorCode::kUnauthenticated,
                 fmt::format("invalid payloadType {} on envelope. Expected {}", shortened(type), kInTotoPayloadType));
  }
  envelope.payload_type = type;
  dom::array signatures;
  if (document["signatures"].get_array().get(signatures) || signatures.size() == 0) {
    return Error(ErrorCode::kUnauthenticated, "no signature found");
  }
  std::string_view payload;
  if (document["payload"].get_string().get(payload)) return malformed("no payload");
  STEEPLE_TRY(bytes, decode(payload));
  envelope.payload = std::move(bytes);
  for (dom::element element : signatures) {
    if (envelope.signatures.size() == kEnvelopeSignaturesMax) {
      return Error(ErrorCode::kLimit, "too many signatures on the envelope");
    }
    std::string_view text;
    if (element["sig"].get_string().get(text)) return malformed("a signature without its bytes");
    STEEPLE_TRY(signature, decode(text));
    envelope.signatures.push_back(std::move(signature));
  }
  return envelope;
}

Bytes pre_authentication_encoding(std::string_view payload_type, BytesView payload) {
  std::string head = fmt::format("DSSEv1 {} {} {} ", payload_type.size(), payload_type, payload.size());
  Bytes out = runtime::to_bytes(runtime::as_bytes(head));
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

Result<void> verify_envelope(const Envelope& envelope, BytesView spki) {
  Bytes message = pre_authentication_encoding(envelope.payload_type, envelope.payload);
  for (const Bytes& signature : envelope.signatures) {
    if (verify_key_signature(spki, message, signature)) return {};
  }
  return Error(ErrorCode::kUnauthenticated, "accepted signatures do not match threshold, Found: 0, Expected 1");
}

}  // namespace steeple::attestation
