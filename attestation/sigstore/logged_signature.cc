#include "attestation/sigstore/logged_signature.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "attestation/sigstore/shortened.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {

using runtime::Bytes;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
namespace dom = simdjson::dom;
using Element = simdjson::simdjson_result<dom::element>;

namespace {

Error malformed(std::string_view reason) {
  return Error(ErrorCode::kMalformed, fmt::format("malformed log entry: {}", reason));
}

Result<std::string> text_of(const Element& element, std::string_view what) {
  std::string_view text;
  if (element.get_string().get(text) || text.empty()) return malformed(fmt::format("no {}", what));
  return std::string(text);
}

// A base64 text of the entry as Rekor's types print it again, so without line ends.
Result<std::string> canonical_base64(const Element& element, std::string_view what) {
  STEEPLE_TRY(text, text_of(element, what));
  STEEPLE_TRY(bytes, runtime::with_context(runtime::base64_decode(text), what));
  return runtime::base64_encode(bytes);
}

Result<LoggedSignature> read(const Element& key, const Element& hash) {
  LoggedSignature logged;
  STEEPLE_TRY(key_text, text_of(key, "public key"));
  STEEPLE_TRY(key_bytes, runtime::with_context(runtime::base64_decode(key_text), "public key"));
  logged.key = runtime::to_text(key_bytes);
  STEEPLE_TRY(algorithm, text_of(hash["algorithm"], "hash algorithm"));
  STEEPLE_TRY(value, text_of(hash["value"], "hash"));
  logged.hash_algorithm = std::move(algorithm);
  logged.hash = std::move(value);
  return logged;
}

Result<LoggedSignature> read(const Element& signature, const Element& key, const Element& hash) {
  STEEPLE_TRY(text, canonical_base64(signature, "signature"));
  STEEPLE_TRY(logged, read(key, hash));
  logged.signature = std::move(text);
  return logged;
}

// Envelopes may have several signatures, entries of them that are looked at must not.
Result<dom::element> only_signature(const Element& list) {
  dom::array signatures;
  if (list.get_array().get(signatures) || signatures.size() == 0) return malformed("no signatures");
  if (signatures.size() > 1) {
    return Error(ErrorCode::kUnimplemented, "multiple signatures on DSSE envelopes are not currently supported");
  }
  dom::element first;
  if (signatures.at(0).get(first)) return malformed("no signatures");
  return first;
}

Result<LoggedSignature> read_record(dom::element spec) {
  Element signature = spec["signature"];
  return read(signature["content"], signature["publicKey"]["content"], spec["data"]["hash"]);
}

Result<LoggedSignature> read_dsse(dom::element spec) {
  STEEPLE_TRY(signature, only_signature(spec["signatures"]));
  return read(signature["signature"], signature["verifier"], spec["envelopeHash"]);
}

Result<LoggedSignature> read_intoto_1(dom::element spec) { return read(spec["publicKey"], spec["content"]["hash"]); }

Result<LoggedSignature> read_intoto_2(dom::element spec) {
  STEEPLE_TRY(signature, only_signature(spec["content"]["envelope"]["signatures"]));
  return read(signature["sig"], signature["publicKey"], spec["content"]["hash"]);
}

}  // namespace

Result<LoggedSignature> parse_logged_signature(std::string_view body) {
  STEEPLE_TRY(json, runtime::base64_decode(body));
  dom::parser parser;
  dom::element document;
  if (auto error = parser.parse(json.data(), json.size()).get(document)) {
    return malformed(simdjson::error_message(error));
  }
  STEEPLE_TRY(kind, text_of(document["kind"], "kind"));
  STEEPLE_TRY(version, text_of(document["apiVersion"], "apiVersion"));
  dom::element spec;
  if (document["spec"].get(spec)) return malformed("no spec");
  bool is_first = version == "0.0.1";
  if (is_first && (kind == "hashedrekord" || kind == "rekord")) return read_record(spec);
  if (is_first && kind == "dsse") return read_dsse(spec);
  if (is_first && kind == "intoto") return read_intoto_1(spec);
  if (version == "0.0.2" && kind == "intoto") return read_intoto_2(spec);
  return Error(ErrorCode::kUnimplemented, "unsupported type: " + shortened(kind) + " " + shortened(version));
}

}  // namespace steeple::attestation
