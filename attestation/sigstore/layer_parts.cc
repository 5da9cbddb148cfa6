#include "attestation/sigstore/layer_parts.h"

#include <fmt/format.h>

#include <algorithm>

#include "attestation/sigstore/log_receipt.h"
#include "attestation/sigstore/signature_verifier.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

// Go's decoder starts at the first character that is no white space, and wants nothing else behind the last block.
Result<std::string_view> blocks_alone(std::string_view pem) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  pem.remove_prefix(std::min(pem.size(), pem.find_first_not_of(kSpace)));
  pem = pem.substr(0, pem.find_last_not_of(kSpace) + 1);
  std::size_t end = pem.rfind("-----END ");
  bool is_last = end != std::string_view::npos && pem.find('\n', end) == std::string_view::npos;
  if (pem.empty() || (is_last && pem.ends_with("-----"))) return pem;
  return Error(ErrorCode::kMalformed, "error during PEM decoding");
}

// Any block counts as a certificate, whatever its name, as in sigstore's cryptoutils.
Result<runtime::Certificates> read_certificates(const std::string& pem) {
  STEEPLE_TRY(text, blocks_alone(pem));
  STEEPLE_TRY(blocks, runtime::parse_pem_blocks(text));
  if (blocks.size() > kLayerCertificatesMax) {
    return Error(ErrorCode::kLimit, "too many certificates specified in PEM block");
  }
  if (blocks.empty() && !text.empty()) return Error(ErrorCode::kMalformed, "error during PEM decoding");
  runtime::Certificates certificates;
  for (const runtime::PemBlock& block : blocks) {
    STEEPLE_TRY(certificate, runtime::Certificate::parse(block.bytes.view()));
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

Result<std::string> annotation(const SignedLayer& layer, const char* name) {
  auto found = layer.annotations.find(name);
  if (found == layer.annotations.end()) return std::string();
  if (found->second.size() > kAnnotationBytesMax) {
    return Error(ErrorCode::kLimit, fmt::format("annotation {} is too large", name));
  }
  return found->second;
}

}  // namespace

Result<LayerParts> read_layer(const SignedLayer& layer) {
  if (layer.payload.size() > kSignedPayloadBytesMax) return Error(ErrorCode::kLimit, "signed payload is too large");
  if (!layer.annotations.contains(kSignatureAnnotation)) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("signature layer sha256:{} is missing \"{}\" annotation",
                             runtime::to_hex(runtime::sha256(runtime::as_bytes(layer.payload))), kSignatureAnnotation));
  }
  LayerParts parts;
  STEEPLE_TRY(signature, annotation(layer, kSignatureAnnotation));
  STEEPLE_TRY(certificate_pem, annotation(layer, kCertificateAnnotation));
  STEEPLE_TRY(chain_pem, annotation(layer, kChainAnnotation));
  STEEPLE_TRY(bundle, annotation(layer, kBundleAnnotation));
  parts.signature = std::move(signature);
  if (!bundle.empty()) {
    STEEPLE_TRY(entry, parse_rekor_bundle(bundle));
    parts.bundle = std::move(entry);
  }
  STEEPLE_TRY(certificates, read_certificates(certificate_pem));
  STEEPLE_CHECK(read_certificates(chain_pem));
  if (certificates.empty()) return Error(ErrorCode::kMalformed, "no certificate found on signature");
  parts.certificate = certificates.front();
  return parts;
}

}  // namespace steeple::attestation
