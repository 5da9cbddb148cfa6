// X.509 certificates: parsing, chains, PEM, path verification, and signing for the development server. A Certificate is
// an immutable value that shares its parsed form; pure functions, any thread. Odd but valid certificates load: any
// year, serial 0 or negative, no SAN, a CA without key usage. Knows nothing of SPIFFE.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/clock.h"
#include "runtime/tls/client_context.h"
#include "runtime/tls/keys.h"

struct x509_st;

namespace steeple::runtime {

inline constexpr std::size_t kCertificateSizeMax = 128 * 1024;  // one DER certificate
inline constexpr std::size_t kCertificatesMax = 4096;           // in one PEM text or concatenated chain
inline constexpr int kChainDepthMax = 16;                       // intermediates of one path

enum KeyUsage : unsigned {
  kDigitalSignature = 1u << 0,
  kKeyEncipherment = 1u << 1,
  kKeyAgreement = 1u << 2,
  kKeyCertSign = 1u << 3,
  kCrlSign = 1u << 4,
};

class Certificate {
 public:
  static Result<Certificate> parse(BytesView der);  // exactly one; kMalformed for anything else, or trailing bytes

  BytesView der() const;
  const std::string& subject() const;  // RFC 4514, as Go prints it: "O=SPIRE,C=US"
  const std::string& issuer() const;
  const std::string& subject_common_name() const;  // empty when absent
  BytesView subject_der() const;
  std::string serial_decimal() const;
  std::string serial_hex() const;  // lower case, even length
  WallTime not_before() const;     // clamped to what WallTime holds (1678 to 2261)
  WallTime not_after() const;
  const std::vector<std::string>& uri_sans() const;
  const std::vector<std::string>& dns_sans() const;
  bool is_ca() const;                         // basic constraints present with CA true
  std::optional<unsigned> key_usage() const;  // bits of KeyUsage; nothing when the extension is absent
  bool serves_clients() const;                // by its extended key usage, if it has one: clientAuth or any
  const Bytes& subject_key_id() const;        // empty when absent
  const Bytes& authority_key_id() const;
  BytesView public_key() const;  // SubjectPublicKeyInfo DER, as in the certificate
  bool is_self_issued() const;   // subject equals issuer

  bool operator==(const Certificate& other) const;  // by DER

  x509_st* native() const;  // for runtime/tls

 private:
  struct Impl;
  explicit Certificate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

using Certificates = std::vector<Certificate>;

// Concatenated DER (leaf first) to a list, and back. An empty input is an empty list.
Result<Certificates> parse_certificate_chain(BytesView concatenated_der);
Bytes concatenate(const Certificates& certificates);
Result<std::vector<Bytes>> split_certificate_chain(BytesView concatenated_der);  // raw DER, not parsed further

// PEM as SPIRE reads and writes it: every block must be CERTIFICATE, at least one. Texts: "no PEM blocks",
// `expected block type "CERTIFICATE"; got "PRIVATE KEY"`.
Result<Certificates> parse_certificates_pem(std::string_view pem);
std::string to_pem(const Certificate& certificate);  // 64 columns, with the final newline
std::string to_pem(std::string_view block_type, BytesView der);

// A certificate file, leaf first, and the file of its key, which may be the same; blocks of other types are passed
// over, as in Go's tls.X509KeyPair, whose texts these are.
Result<TlsIdentity> tls_identity_from_pem(std::string_view certificates, std::string_view key);

struct PemBlock {
  std::string type;
  SecretBytes bytes;
};
Result<std::vector<PemBlock>> parse_pem_blocks(std::string_view text);  // text between blocks is passed over, as in Go

// A path from the leaf to one of the roots, through intermediates, any extended key usage, no host name. Texts are
// Go's. kUntrusted only if no path to a root exists ("x509: certificate signed by unknown authority"); kTls for expired
// or not yet valid certificates and every other reason.
Result<void> verify_chain(const Certificate& leaf, const Certificates& intermediates, const Certificates& roots,
                          WallTime now);

// Whether `certificate` carries a signature of `issuer`'s key (names and dates are not looked at).
bool is_signed_by(const Certificate& certificate, const Certificate& issuer);

struct NameAttribute {
  enum class Type { kCountry, kOrganization, kCommonName, kSerialNumber, kX500UniqueIdentifier };
  Type type;
  std::string value;
};

// What a certificate is signed with (server-sync 8.5). Extensions come in Go's order; lists that are empty are left
// out.
struct CertificateTemplate {
  Bytes serial;  // big-endian, positive
  WallTime not_before;
  WallTime not_after;
  std::vector<NameAttribute> subject;  // each its own RDN, in this order
  std::vector<std::string> uri_sans;
  std::vector<std::string> dns_sans;
  bool is_ca = false;                   // basic constraints, always critical
  unsigned key_usage = 0;               // KeyUsage bits, critical; 0: no extension
  bool server_and_client_auth = false;  // extended key usage serverAuth, clientAuth
  Bytes public_key;                     // SubjectPublicKeyInfo DER of the subject
};

// With no issuer the certificate is self-signed: issuer = subject, no authority key id.
Result<Certificate> sign_certificate(const CertificateTemplate& wanted, const PrivateKey& issuer_key,
                                     const Certificate* issuer);
Result<Bytes> subject_key_id_of(BytesView spki);  // SHA-1 of the public key bits
Bytes random_serial();                            // 16 random bytes, in [1, 2^128-1]

}  // namespace steeple::runtime
