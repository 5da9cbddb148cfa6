// Certificates as the development server issues them (server-sync 8.5).
#include <openssl/x509.h>

#include "runtime/tls/certificate_der.h"
#include "runtime/tls/der.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/general_names.h"
#include "runtime/tls/openssl_handles.h"

namespace steeple::runtime {
namespace {

// id-kp-serverAuth, id-kp-clientAuth.
constexpr std::uint8_t kServerAndClientAuth[] = {0x30, 0x14, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
                                                 0x01, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02};

Bytes key_usage_value(unsigned usage) {
  unsigned bits = 0;
  if (usage & kDigitalSignature) bits |= 1u << 0;
  if (usage & kKeyEncipherment) bits |= 1u << 2;
  if (usage & kKeyAgreement) bits |= 1u << 4;
  if (usage & kKeyCertSign) bits |= 1u << 5;
  if (usage & kCrlSign) bits |= 1u << 6;
  return der::named_bits(bits);
}

Result<Bytes> extensions(const CertificateTemplate& wanted, const Certificate* issuer) {
  Bytes list;
  auto add = [&list](Extension extension, bool critical, const Bytes& value) {
    Bytes encoded = encode_extension(extension, critical, value);
    list.insert(list.end(), encoded.begin(), encoded.end());
  };
  if (wanted.key_usage != 0) add(Extension::kKeyUsage, true, key_usage_value(wanted.key_usage));
  if (wanted.server_and_client_auth) add(Extension::kExtendedKeyUsage, false, to_bytes(kServerAndClientAuth));
  Bytes constraints = wanted.is_ca ? der::boolean_true() : Bytes();
  add(Extension::kBasicConstraints, true, der::element(der::kSequence, constraints));
  STEEPLE_TRY(key_id, subject_key_id_of(wanted.public_key));
  add(Extension::kSubjectKeyId, false, der::element(der::kOctetString, key_id));
  if (issuer != nullptr && !issuer->subject_key_id().empty()) {
    Bytes issuer_id = der::element(der::context(0, false), issuer->subject_key_id());
    add(Extension::kAuthorityKeyId, false, der::element(der::kSequence, issuer_id));
  }
  if (!wanted.uri_sans.empty() || !wanted.dns_sans.empty()) {
    add(Extension::kSubjectAltName, wanted.subject.empty(), encode_alt_names(wanted.dns_sans, wanted.uri_sans));
  }
  return der::element(der::context(3, true), der::element(der::kSequence, list));
}

}  // namespace

Result<Bytes> subject_key_id_of(BytesView spki) {
  const unsigned char* at = spki.data();
  X509_PUBKEY* key = d2i_X509_PUBKEY(nullptr, &at, static_cast<long>(spki.size()));
  if (key == nullptr) return openssl_error(ErrorCode::kMalformed, "unreadable public key");
  const unsigned char* bits = nullptr;
  int size = 0;
  X509_PUBKEY_get0_param(nullptr, &bits, &size, nullptr, key);
  auto digest = sha1(BytesView(bits, static_cast<std::size_t>(size)));
  X509_PUBKEY_free(key);
  clear_openssl_errors();
  return Bytes(digest.begin(), digest.end());
}

Bytes random_serial() {
  Bytes serial(16);
  do {
    random_bytes(serial);
  } while (serial == Bytes(16));
  return serial;
}

Result<Certificate> sign_certificate(const CertificateTemplate& wanted, const PrivateKey& issuer_key,
                                     const Certificate* issuer) {
  if (wanted.not_after < wanted.not_before) {
    return Error(ErrorCode::kInvalidArgument, "certificate would end before it begins");
  }
  static constexpr std::uint8_t kVersion3[] = {0xa0, 0x03, 0x02, 0x01, 0x02};
  Bytes subject = encode_name(wanted.subject);
  Bytes issuer_name = issuer != nullptr ? to_bytes(issuer->subject_der()) : subject;
  Bytes validity = der::element(der::kSequence, {der::time(wanted.not_before), der::time(wanted.not_after)});
  STEEPLE_TRY(extension_list, extensions(wanted, issuer));
  Bytes to_be_signed = der::element(der::kSequence, {BytesView(kVersion3), der::integer(wanted.serial),
                                                     signature_algorithm(issuer_key.default_scheme()), issuer_name,
                                                     validity, subject, wanted.public_key, extension_list});
  STEEPLE_TRY(signed_certificate, sign_der(to_be_signed, issuer_key));
  return with_context(Certificate::parse(signed_certificate), "sign certificate");
}

}  // namespace steeple::runtime
