// The parts that CSRs and certificates are put together from. For the sources of runtime/tls only.
#pragma once

#include "runtime/tls/x509.h"

namespace steeple::runtime {

enum class Extension {
  kSubjectKeyId,
  kKeyUsage,
  kSubjectAltName,
  kBasicConstraints,
  kAuthorityKeyId,
  kExtendedKeyUsage
};

std::uint8_t extension_number(Extension extension);  // N of its object identifier, 2.5.29.N
Bytes encode_name(const std::vector<NameAttribute>& attributes);
Bytes encode_extension(Extension extension, bool critical, BytesView value);
BytesView signature_algorithm(SignatureScheme scheme);  // the AlgorithmIdentifier

// SEQUENCE { signed_part, algorithm, signature }, signed with the key's default scheme.
Result<Bytes> sign_der(BytesView signed_part, const PrivateKey& key);

}  // namespace steeple::runtime
