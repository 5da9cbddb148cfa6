// PKCS#10 certificate requests (server-sync 2.3 and 3.6). Pure functions, any thread. The request is put together from
// DER templates, since OpenSSL 3.0's encoder costs six times the signature; tests hold it against OpenSSL's reader.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/tls/keys.h"

namespace steeple::runtime {

// Subject C=US, O=SPIRE. With a URI: one subjectAltName request of it and of the DNS names; without one, no attributes.
Result<Bytes> make_csr(const PrivateKey& key, const std::optional<std::string>& uri_san = std::nullopt,
                       const std::vector<std::string>& dns_sans = {});

struct Csr {
  Bytes public_key;  // SubjectPublicKeyInfo DER
  std::vector<std::string> uri_sans;
  std::vector<std::string> dns_sans;
  std::string subject;           // "C=US, O=SPIRE"; empty when absent
  bool signature_valid = false;  // a bad signature is reported here, since agents' CSRs are read without that check
};
inline constexpr std::size_t kCsrSizeMax = 64 * 1024;
Result<Csr> parse_csr(BytesView der);

}  // namespace steeple::runtime
