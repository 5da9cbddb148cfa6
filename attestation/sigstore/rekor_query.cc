#include "attestation/sigstore/rekor_query.h"

#include <fmt/format.h>

#include "runtime/core/log.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr const char* kEntryVersion = "0.0.1";

const std::string* annotation(const SignedLayer& layer, const char* name) {
  const auto at = layer.annotations.find(name);
  return at == layer.annotations.end() ? nullptr : &at->second;
}

// As PEM written anew, in base64: what the log keeps of it.
Result<std::string> signer(const SignedLayer& layer) {
  const std::string* pem = annotation(layer, kCertificateAnnotation);
  if (!pem || pem->empty()) return Error(ErrorCode::kMalformed, "no certificate found on signature");
  STEEPLE_TRY(certificates, runtime::parse_certificates_pem(*pem));
  return runtime::base64_encode(runtime::as_bytes(runtime::to_pem(certificates.front())));
}

std::string digest_of(const std::string& payload) {
  return fmt::format(R"({{"algorithm":"sha256","value":"{}"}})",
                     runtime::to_hex(runtime::sha256(runtime::as_bytes(payload))));
}

std::string entry(std::string_view kind, std::string_view spec) {
  return fmt::format(R"({{"kind":"{}","apiVersion":"{}","spec":{}}})", kind, kEntryVersion, spec);
}

std::string hashed_rekord(const std::string& payload, runtime::BytesView signature, const std::string& key) {
  return entry("hashedrekord",
               fmt::format(R"({{"data":{{"hash":{}}},"signature":{{"content":"{}","publicKey":{{"content":"{}"}}}}}})",
                           digest_of(payload), runtime::base64_encode(signature), key));
}

std::string attestation_entries(const std::string& payload, const std::string& key) {
  const std::string envelope = runtime::json_string(payload);
  const std::string dsse =
      fmt::format(R"({{"proposedContent":{{"envelope":{},"verifiers":["{}"]}},"signatures":null}})", envelope, key);
  const std::string intoto =
      fmt::format(R"({{"content":{{"envelope":{},"hash":{}}},"publicKey":"{}"}})", envelope, digest_of(payload), key);
  return entry("dsse", dsse) + "," + entry("intoto", intoto);
}

}  // namespace

Result<std::string> rekor_query(const SignedLayer& layer) {
  const std::string* text = annotation(layer, kSignatureAnnotation);
  if (!text) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("signature layer is missing \"{}\" annotation", kSignatureAnnotation));
  }
  STEEPLE_TRY(signature, runtime::with_context(runtime::base64_decode(*text), "decoding base64 signature"));
  STEEPLE_TRY(key, signer(layer));
  return fmt::format(
      R"({{"entryUUIDs":null,"logIndexes":null,"entries":[{}]}})",
      signature.empty() ? attestation_entries(layer.payload, key) : hashed_rekord(layer.payload, signature, key));
}

}  // namespace steeple::attestation
