// Attestations and payloads: whatever comes in, an envelope that was read has its type and at least one signature.
#include <cstdint>
#include <cstdlib>

#include "attestation/sigstore/claims.h"
#include "attestation/sigstore/envelope.h"

using namespace steeple::attestation;
namespace runtime = steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input = runtime::as_text(runtime::BytesView(data, size));
  (void)check_signed_digest(input, "sha256:1");
  (void)check_statement_subject(input, "sha256:1");
  auto envelope = parse_envelope(input);
  if (!envelope) return 0;
  if (envelope->payload_type != kInTotoPayloadType) std::abort();
  if (envelope->signatures.empty() || envelope->signatures.size() > kEnvelopeSignaturesMax) std::abort();
  (void)check_statement_subject(runtime::as_text(envelope->payload), "sha256:1");
  return 0;
}
