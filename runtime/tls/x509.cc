#include "runtime/tls/x509.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <limits>

#include "runtime/tls/der.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/general_names.h"
#include "runtime/tls/openssl_handles.h"

namespace steeple::runtime {
namespace {

std::string name_text(const X509_NAME* name) {
  OpensslPtr<BIO> out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return {};
  char* data = nullptr;
  long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::string common_name(const X509_NAME* name) {
  int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  if (at < 0) return {};
  const ASN1_STRING* value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  unsigned char* text = nullptr;
  int size = ASN1_STRING_to_UTF8(&text, value);
  if (size < 0) return {};
  std::string out(reinterpret_cast<char*>(text), static_cast<std::size_t>(size));
  OPENSSL_free(text);
  return out;
}

// Any year: test certificates begin in the year 1. What WallTime cannot hold is clamped to its ends.
Result<WallTime> wall_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return openssl_error(ErrorCode::kMalformed, "invalid time");
  namespace chrono = std::chrono;
  using Seconds = chrono::sys_seconds;
  chrono::sys_days day = chrono::year(parts.tm_year + 1900) / (parts.tm_mon + 1) / parts.tm_mday;
  Seconds when = day + chrono::hours(parts.tm_hour) + chrono::minutes(parts.tm_min) + chrono::seconds(parts.tm_sec);
  constexpr auto kLowest = chrono::ceil<chrono::seconds>(WallTime::min());
  constexpr auto kHighest = chrono::floor<chrono::seconds>(WallTime::max());
  return WallTime(std::clamp<Seconds>(when, kLowest, kHighest));
}

Bytes octets(const ASN1_OCTET_STRING* value) {
  if (value == nullptr) return {};
  return Bytes(ASN1_STRING_get0_data(value), ASN1_STRING_get0_data(value) + ASN1_STRING_length(value));
}

std::string serial_text(const X509* certificate, bool hex) {
  OpensslPtr<BIGNUM> number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  if (!number) return {};
  char* text = hex ? BN_bn2hex(number.get()) : BN_bn2dec(number.get());
  if (text == nullptr) return {};
  std::string out = text;
  OPENSSL_free(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::optional<unsigned> key_usage_bits(X509* certificate) {
  if ((X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) == 0) return std::nullopt;
  std::uint32_t bits = X509_get_key_usage(certificate);
  unsigned usage = 0;
  if (bits & X509v3_KU_DIGITAL_SIGNATURE) usage |= kDigitalSignature;
  if (bits & X509v3_KU_KEY_ENCIPHERMENT) usage |= kKeyEncipherment;
  if (bits & X509v3_KU_KEY_AGREEMENT) usage |= kKeyAgreement;
  if (bits & X509v3_KU_KEY_CERT_SIGN) usage |= kKeyCertSign;
  if (bits & X509v3_KU_CRL_SIGN) usage |= kCrlSign;
  return usage;
}

}  // namespace

struct Certificate::Impl {
  OpensslPtr<X509> x509;
  Bytes der;
  Bytes spki;
  std::string subject;
  std::string issuer;
  std::string subject_common_name;
  WallTime not_before;
  WallTime not_after;
  SubjectAltNames names;
  bool is_ca = false;
  std::optional<unsigned> key_usage;
  Bytes subject_key_id;
  Bytes authority_key_id;
  bool serves_clients = true;
};

Result<Certificate> Certificate::parse(BytesView der) {
  if (der.size() > kCertificateSizeMax) return Error(ErrorCode::kLimit, "x509: certificate is too large");
  auto impl = std::make_shared<Impl>();
  const unsigned char* at = der.data();
  impl->x509.reset(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  X509* x509 = impl->x509.get();
  if (x509 == nullptr) return openssl_error(ErrorCode::kMalformed, "x509: malformed certificate");
  if (at != der.data() + der.size()) return Error(ErrorCode::kMalformed, "x509: trailing data");
  impl->der = to_bytes(der);
  // Fills the extension cache, once; later readers are on any thread.
  std::uint32_t flags = X509_get_extension_flags(x509);
  if (flags & EXFLAG_INVALID) {
    clear_openssl_errors();
    return Error(ErrorCode::kMalformed, "x509: invalid extensions");
  }
  unsigned char* spki = nullptr;
  int spki_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509), &spki);
  if (spki_size <= 0) return openssl_error(ErrorCode::kMalformed, "x509: malformed public key");
  impl->spki.assign(spki, spki + spki_size);
  OPENSSL_free(spki);
  STEEPLE_TRY(not_before, with_context(wall_time(X509_get0_notBefore(x509)), "x509: notBefore"));
  STEEPLE_TRY(not_after, with_context(wall_time(X509_get0_notAfter(x509)), "x509: notAfter"));
  impl->not_before = not_before;
  impl->not_after = not_after;
  impl->names = subject_alt_names(X509_get0_extensions(x509));
  impl->subject = name_text(X509_get_subject_name(x509));
  impl->issuer = name_text(X509_get_issuer_name(x509));
  impl->subject_common_name = common_name(X509_get_subject_name(x509));
  impl->is_ca = (flags & EXFLAG_BCONS) != 0 && (flags & EXFLAG_CA) != 0;
  impl->key_usage = key_usage_bits(x509);
  if ((flags & EXFLAG_XKUSAGE) != 0) {
    impl->serves_clients = (X509_get_extended_key_usage(x509) & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
  }
  impl->subject_key_id = octets(X509_get0_subject_key_id(x509));
  impl->authority_key_id = octets(X509_get0_authority_key_id(x509));
  clear_openssl_errors();
  return Certificate(std::move(impl));
}

BytesView Certificate::der() const { return impl_->der; }
const std::string& Certificate::subject() const { return impl_->subject; }
const std::string& Certificate::issuer() const { return impl_->issuer; }
const std::string& Certificate::subject_common_name() const { return impl_->subject_common_name; }
WallTime Certificate::not_before() const { return impl_->not_before; }
WallTime Certificate::not_after() const { return impl_->not_after; }
const std::vector<std::string>& Certificate::uri_sans() const { return impl_->names.uris; }
const std::vector<std::string>& Certificate::dns_sans() const { return impl_->names.dns; }
bool Certificate::is_ca() const { return impl_->is_ca; }
std::optional<unsigned> Certificate::key_usage() const { return impl_->key_usage; }
bool Certificate::serves_clients() const { return impl_->serves_clients; }
const Bytes& Certificate::subject_key_id() const { return impl_->subject_key_id; }
const Bytes& Certificate::authority_key_id() const { return impl_->authority_key_id; }
BytesView Certificate::public_key() const { return impl_->spki; }
x509_st* Certificate::native() const { return impl_->x509.get(); }
std::string Certificate::serial_decimal() const { return serial_text(impl_->x509.get(), false); }

std::string Certificate::serial_hex() const {
  std::string hex = serial_text(impl_->x509.get(), true);
  return hex == "0" ? "00" : hex;
}

BytesView Certificate::subject_der() const {
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (X509_NAME_get0_der(X509_get_subject_name(native()), &data, &size) != 1) return {};
  return {data, size};
}

bool Certificate::is_self_issued() const {
  return X509_NAME_cmp(X509_get_subject_name(native()), X509_get_issuer_name(native())) == 0;
}

bool Certificate::operator==(const Certificate& other) const {
  return impl_ == other.impl_ || impl_->der == other.impl_->der;
}

Result<std::vector<Bytes>> split_certificate_chain(BytesView concatenated_der) {
  std::vector<Bytes> parts;
  while (!concatenated_der.empty()) {
    if (parts.size() == kCertificatesMax) return Error(ErrorCode::kLimit, "too many certificates");
    STEEPLE_TRY(size, with_context(der::first_element_size(concatenated_der), "x509: malformed certificate"));
    parts.push_back(to_bytes(concatenated_der.first(size)));
    concatenated_der = concatenated_der.subspan(size);
  }
  return parts;
}

Result<Certificates> parse_certificate_chain(BytesView concatenated_der) {
  STEEPLE_TRY(parts, split_certificate_chain(concatenated_der));
  Certificates certificates;
  certificates.reserve(parts.size());
  for (const Bytes& part : parts) {
    STEEPLE_TRY(certificate, Certificate::parse(part));
    certificates.push_back(std::move(certificate));
  }
  return certificates;
}

Bytes concatenate(const Certificates& certificates) {
  Bytes out;
  for (const Certificate& certificate : certificates) {
    out.insert(out.end(), certificate.der().begin(), certificate.der().end());
  }
  return out;
}

}  // namespace steeple::runtime
