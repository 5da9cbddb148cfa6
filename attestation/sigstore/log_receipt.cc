#include "attestation/sigstore/log_receipt.h"

#include <fmt/format.h>
#include <algorithm>

#include "attestation/sigstore/json_read.h"
#include "attestation/sigstore/logged_signature.h"
#include "attestation/sigstore/shortened.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
namespace dom = simdjson::dom;

namespace {

Error malformed(std::string reason) { return Error(ErrorCode::kMalformed, std::move(reason)); }
Error unauthentic(std::string reason) { return Error(ErrorCode::kUnauthenticated, std::move(reason)); }

Result<std::int64_t> number(dom::object payload, std::string_view key, std::int64_t most) {
  std::optional<std::int64_t> value = json_read::integer_of(payload, key);
  if (!value) return malformed(fmt::format("bundle payload has no {}", key));
  if (*value < 0 || *value > most)
    return Error(ErrorCode::kLimit, fmt::format("{} of the bundle is out of range", key));
  return *value;
}

Result<std::string> text(dom::object from, std::string_view key, std::string_view otherwise) {
  std::optional<std::string_view> value = json_read::text_of(from, key);
  if (!value) return malformed(std::string(otherwise));
  return std::string(*value);
}

// These texts go into the canonical JSON as they are, so they must not need escapes.
bool is_base64(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' || c == '/' ||
           c == '=';
  });
}

Result<void> compare_key(const std::string& logged, BytesView certificate) {
  Result<std::vector<runtime::PemBlock>> blocks = runtime::parse_pem_blocks(logged);
  if (!blocks) return std::move(blocks.error()).with_context("failed to extract key from bundle");
  if (blocks->empty()) return malformed("failed to extract key from bundle: no PEM block");
  if (blocks->size() > 1) return malformed("unexpected PEM block");
  BytesView key = blocks->front().bytes.view();
  if (std::equal(key.begin(), key.end(), certificate.begin(), certificate.end())) return {};
  return unauthentic("comparing public key PEMs: the entry is of another certificate");
}

}  // namespace

Result<RekorEntry> parse_rekor_bundle(std::string_view json) {
  dom::parser parser;
  dom::element document;
  if (auto error = parser.parse(json.data(), json.size()).get(document)) {
    return malformed(std::string("unmarshaling bundle: ") + simdjson::error_message(error));
  }
  dom::object bundle;
  dom::object payload;
  if (document.get_object().get(bundle) || bundle["Payload"].get_object().get(payload)) {
    return malformed("bundle payload body is not a string");
  }
  STEEPLE_TRY(body, text(payload, "body", "bundle payload body is not a string"));
  STEEPLE_TRY(log_id, text(payload, "logID", "bundle payload has no logID"));
  STEEPLE_TRY(timestamp, text(bundle, "SignedEntryTimestamp", "bundle has no SignedEntryTimestamp"));
  STEEPLE_TRY(time, number(payload, "integratedTime", kIntegratedTimeMax));
  STEEPLE_TRY(index, number(payload, "logIndex", kLogIndexMax));
  STEEPLE_TRY(bytes, runtime::with_context(runtime::base64_decode(timestamp), "unmarshaling bundle"));
  return RekorEntry{std::move(body), time, index, std::move(log_id), runtime::base64_encode(bytes)};
}

Result<void> check_logged_parts(const RekorEntry& entry, const LoggedParts& parts) {
  Result<LoggedSignature> logged = parse_logged_signature(entry.body);
  if (!logged) return std::move(logged.error()).with_context("failed to extract signature from bundle");
  if (!parts.signature.empty()) {
    if (!logged->signature) return malformed("failed to extract signature from bundle: unsupported type");
    if (*logged->signature != parts.signature) {
      return unauthentic("signature in bundle does not match signature being verified");
    }
  }
  STEEPLE_CHECK(compare_key(logged->key, parts.certificate));
  if (logged->hash_algorithm != "sha256") {
    return unauthentic("unexpected algorithm: " + runtime::go_quote(shortened(logged->hash_algorithm)));
  }
  std::string hash = runtime::to_hex(runtime::sha256(runtime::as_bytes(parts.payload)));
  if (logged->hash == hash) return {};
  return unauthentic(fmt::format("matching bundle to payload: bundle={}, payload={}",
                                 runtime::go_quote(shortened(logged->hash)), runtime::go_quote(hash)));
}

Result<bool> verify_signed_entry(const RekorEntry& entry, const std::vector<LogKey>& logs) {
  if (logs.empty()) return Error(ErrorCode::kFailedPrecondition, "no trusted rekor public keys provided");
  for (const LogKey& log : logs) {
    Result<runtime::PublicKeyInfo> key = runtime::public_key_info(log.spki);
    if (!key || key->rsa) {
      return Error(ErrorCode::kFailedPrecondition,
                   fmt::format("rekor Public key for LogID {} is not type ecdsa.PublicKey", log.id));
    }
  }
  auto log = std::find_if(logs.begin(), logs.end(), [&](const LogKey& key) { return key.id == entry.log_id; });
  if (log == logs.end()) return unauthentic("verifying bundle: rekor log public key not found for payload");
  Result<Bytes> signature = runtime::base64_decode(entry.signed_entry_timestamp);
  // RFC 8785 of the four members: sorted by name, no white space.
  std::string canonical = fmt::format(R"({{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}})", entry.body,
                                      entry.integrated_time, entry.log_id, entry.log_index);
  if (signature && is_base64(entry.body) &&
      runtime::verify_signature(log->spki, runtime::SignatureScheme::kEcdsaSha256, runtime::as_bytes(canonical),
                                *signature)) {
    return !log->active;
  }
  return unauthentic("unable to verify SET");
}

}  // namespace steeple::attestation
