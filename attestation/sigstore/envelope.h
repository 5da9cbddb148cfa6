// An attestation: an in-toto statement in a DSSE envelope (secure-systems-lab's DSSE 1.0). Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr char kInTotoPayloadType[] = "application/vnd.in-toto+json";
inline constexpr std::size_t kEnvelopeSignaturesMax = 16;

struct Envelope {
  std::string payload_type;
  runtime::Bytes payload;
  std::vector<runtime::Bytes> signatures;
};

// kMalformed, kLimit. Payload and signatures are base64, by either alphabet.
runtime::Result<Envelope> parse_envelope(std::string_view json);

// The bytes that are signed (DSSE, "PAE").
runtime::Bytes pre_authentication_encoding(std::string_view payload_type, runtime::BytesView payload);

// One of the signatures is the key's; what the envelope says about key ids does not count.
runtime::Result<void> verify_envelope(const Envelope& envelope, runtime::BytesView spki);

}  // namespace steeple::attestation
