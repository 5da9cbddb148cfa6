#include "runtime/tls/csr.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "runtime/tls/certificate_der.h"
#include "runtime/tls/der.h"
#include "runtime/tls/general_names.h"
#include "runtime/tls/openssl_handles.h"
#include "runtime/tls/x509.h"

namespace steeple::runtime {
namespace {

constexpr std::uint8_t kExtensionRequestOid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e};

Bytes attributes(const std::optional<std::string>& uri_san, const std::vector<std::string>& dns_sans) {
  if (!uri_san) return der::element(der::context(0, true), BytesView());
  Bytes extension = encode_extension(Extension::kSubjectAltName, false, encode_alt_names(dns_sans, {*uri_san}));
  Bytes values = der::element(der::kSet, der::element(der::kSequence, extension));
  Bytes attribute = der::element(der::kSequence, {BytesView(kExtensionRequestOid), values});
  return der::element(der::context(0, true), attribute);
}

std::string subject_text(const X509_NAME* name) {
  OpensslPtr<BIO> out(BIO_new(BIO_s_mem()));
  if (!out || X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ) < 0) return {};
  char* data = nullptr;
  long size = BIO_get_mem_data(out.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

Result<Bytes> make_csr(const PrivateKey& key, const std::optional<std::string>& uri_san,
                       const std::vector<std::string>& dns_sans) {
  static const Bytes version = der::integer({});
  static const Bytes subject =
      encode_name({{NameAttribute::Type::kCountry, "US"}, {NameAttribute::Type::kOrganization, "SPIRE"}});
  Bytes info = der::element(der::kSequence, {version, subject, key.public_key(), attributes(uri_san, dns_sans)});
  return sign_der(info, key);
}

Result<Csr> parse_csr(BytesView der) {
  if (der.size() > kCsrSizeMax) return Error(ErrorCode::kLimit, "certificate request is too large");
  const unsigned char* at = der.data();
  OpensslPtr<X509_REQ> request(d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())));
  if (!request) return openssl_error(ErrorCode::kMalformed, "malformed certificate request");
  if (at != der.data() + der.size())
    return Error(ErrorCode::kMalformed, "malformed certificate request: trailing data");
  Csr csr;
  unsigned char* spki = nullptr;
  int spki_size = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(request.get()), &spki);
  if (spki_size <= 0) return openssl_error(ErrorCode::kMalformed, "malformed public key of certificate request");
  csr.public_key.assign(spki, spki + spki_size);
  OPENSSL_free(spki);
  STEEPLE_TRY(info, with_context(public_key_info(csr.public_key), "certificate request"));
  if (info.bits > kRsaBitsMax) return Error(ErrorCode::kLimit, "public key of certificate request is too large");
  if (STACK_OF(X509_EXTENSION)* extensions = X509_REQ_get_extensions(request.get())) {
    SubjectAltNames names = subject_alt_names(extensions);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    csr.uri_sans = std::move(names.uris);
    csr.dns_sans = std::move(names.dns);
  }
  csr.subject = subject_text(X509_REQ_get_subject_name(request.get()));
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  csr.signature_valid = key != nullptr && X509_REQ_verify(request.get(), key) == 1;
  clear_openssl_errors();
  return csr;
}

}  // namespace steeple::runtime
