// What a signer's certificate says beyond X.509's common part: Fulcio's names and issuer, the timestamps of CT logs.
// Pure functions, any thread. Errors: kMalformed, kLimit.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation {

inline constexpr int kCertificateExtensionsMax = 64;
inline constexpr int kCertificateNamesMax = 64;

struct SignerCertificate {
  runtime::Certificate certificate;
  // Subject alternative names in the order in which cosign looks at them: DNS, email, IP, URI, then Fulcio's user name
  // (an otherName of type 1.3.6.1.4.1.57264.1.7), if there is exactly one and no other otherName.
  std::vector<std::string> subjects;
  std::optional<std::string> issuer;  // the bytes of 1.3.6.1.4.1.57264.1.1; cosign does not read its successor, .1.8
  std::optional<runtime::Bytes> sct_list;  // the value of 1.3.6.1.4.1.11129.2.4.2
  runtime::Bytes precertificate;           // TBSCertificate without that extension (RFC 6962, 3.2); empty without it
};

// Refused too: an extension that comes twice, names that are not IA5.
runtime::Result<SignerCertificate> read_signer_certificate(const runtime::Certificate& certificate);

// Go's rule for one certificate of a path: no extended key usage, or code signing or any among them.
bool may_sign_code(const runtime::Certificate& certificate);

}  // namespace steeple::attestation
