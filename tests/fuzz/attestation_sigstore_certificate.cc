// A signer's certificate, and an annotation of certificates: whatever comes in, names and extensions are within limits,
// and a precertificate is shorter than its certificate.
#include <cstdint>
#include <cstdlib>

#include "attestation/sigstore/key_signature.h"
#include "attestation/sigstore/layer_parts.h"
#include "attestation/sigstore/signer_certificate.h"

using namespace steeple::attestation;
namespace runtime = steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  runtime::BytesView input(data, size);
  SignedLayer layer;
  layer.annotations = {{kSignatureAnnotation, ""}, {kCertificateAnnotation, runtime::to_text(input)}};
  (void)read_layer(layer);
  auto certificate = runtime::Certificate::parse(input);
  if (!certificate) return 0;
  (void)may_sign_code(*certificate);
  (void)check_signing_key(certificate->public_key());
  auto signer = read_signer_certificate(*certificate);
  if (!signer) return 0;
  if (signer->subjects.size() > static_cast<std::size_t>(kCertificateNamesMax)) std::abort();
  if (signer->sct_list && (signer->precertificate.empty() || signer->precertificate.size() >= size)) std::abort();
  return 0;
}
