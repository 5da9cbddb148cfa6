// Signed certificate timestamps that are embedded in a certificate (RFC 6962, 3.2 and 3.3): a CT log's promise that it
// has seen the certificate. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attestation/sigstore/signer_certificate.h"
#include "attestation/sigstore/trust_material.h"

namespace steeple::attestation {

inline constexpr std::size_t kCertificateTimestampsMax = 16;

struct CertificateTimestamp {
  std::string log_id;  // lower-case hex
  std::uint64_t milliseconds = 0;
  runtime::Bytes extensions;
  std::uint8_t hash_algorithm = 0;  // RFC 5246, 7.4.1.4.1
  std::uint8_t signature_algorithm = 0;
  runtime::Bytes signature;
};

// From the value of the extension: an OCTET STRING of the TLS list. kMalformed, kLimit; an empty list is malformed.
runtime::Result<std::vector<CertificateTimestamp>> parse_certificate_timestamps(runtime::BytesView extension_value);

// What a log signs of a certificate that `issuer_spki` has issued.
runtime::Bytes timestamped_bytes(const CertificateTimestamp& timestamp, runtime::BytesView precertificate,
                                 runtime::BytesView issuer_spki);

// Every timestamp must be of a known log, as cosign has it. Gives whether one was made with a retired key.
runtime::Result<bool> verify_certificate_timestamps(const SignerCertificate& signer, runtime::BytesView issuer_spki,
                                                    const std::vector<LogKey>& logs);

}  // namespace steeple::attestation
