#include "attestation/sigstore/signer_certificate.h"

#include <arpa/inet.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <simdjson.h>

#include <algorithm>
#include <memory>

namespace steeple::attestation {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr char kIssuerOid[] = "1.3.6.1.4.1.57264.1.1";
constexpr char kUserNameOid[] = "1.3.6.1.4.1.57264.1.7";

struct OpensslFree {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
  void operator()(EXTENDED_KEY_USAGE* usages) const { EXTENDED_KEY_USAGE_free(usages); }
  void operator()(ASN1_OBJECT* object) const { ASN1_OBJECT_free(object); }
};
template <class T>
using Owned = std::unique_ptr<T, OpensslFree>;

Error malformed(std::string text) { return Error(ErrorCode::kMalformed, "x509: " + std::move(text)); }

Owned<X509> decode(const runtime::Certificate& certificate) {
  BytesView der = certificate.der();
  const unsigned char* at = der.data();
  return Owned<X509>(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
}

std::string text_of(const ASN1_STRING* value) {
  return std::string(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                     static_cast<std::size_t>(ASN1_STRING_length(value)));
}

Result<void> check_extensions(const X509* certificate) {
  int count = X509_get_ext_count(certificate);
  if (count > kCertificateExtensionsMax) return Error(ErrorCode::kLimit, "x509: too many extensions");
  for (int i = 0; i < count; ++i) {
    const ASN1_OBJECT* object = X509_EXTENSION_get_object(X509_get_ext(certificate, i));
    if (X509_get_ext_by_OBJ(certificate, object, i) >= 0) return malformed("certificate contains duplicate extension");
  }
  return {};
}

std::optional<std::string> extension(const X509* certificate, int at) {
  if (at < 0) return std::nullopt;
  return text_of(X509_EXTENSION_get_data(X509_get_ext(certificate, at)));
}

std::optional<std::string> issuer_of(const X509* certificate) {
  Owned<ASN1_OBJECT> oid(OBJ_txt2obj(kIssuerOid, 1));
  return extension(certificate, X509_get_ext_by_OBJ(certificate, oid.get(), -1));
}

// An IPv4 address that is written as IPv6 is shown as IPv4, as Go does.
Result<std::string> ip_text(const ASN1_OCTET_STRING* value) {
  const unsigned char* bytes = ASN1_STRING_get0_data(value);
  int size = ASN1_STRING_length(value);
  if (size != 4 && size != 16) return malformed("cannot parse IP address of length " + std::to_string(size));
  constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  bool mapped = size == 16 && std::equal(kMapped, kMapped + sizeof kMapped, bytes);
  char text[INET6_ADDRSTRLEN];
  bool is_v4 = size == 4 || mapped;
  inet_ntop(is_v4 ? AF_INET : AF_INET6, mapped ? bytes + 12 : bytes, text, sizeof text);
  return std::string(text);
}

struct Names {
  std::vector<std::string> dns, emails, ips, uris, users;
  bool other = false;  // an otherName that is not Fulcio's
};

void add_other_name(const OTHERNAME* name, Names& names) {
  Owned<ASN1_OBJECT> user_name(OBJ_txt2obj(kUserNameOid, 1));
  bool is_user = OBJ_cmp(name->type_id, user_name.get()) == 0 && name->value->type == V_ASN1_UTF8STRING;
  std::string value = is_user ? text_of(name->value->value.utf8string) : "";
  if (is_user && simdjson::validate_utf8(value)) {
    names.users.push_back(std::move(value));
  } else {
    names.other = true;
  }
}

Result<void> add_name(const GENERAL_NAME* name, Names& names) {
  if (name->type == GEN_OTHERNAME) {
    add_other_name(name->d.otherName, names);
  } else if (name->type == GEN_IPADD) {
    STEEPLE_TRY(text, ip_text(name->d.iPAddress));
    names.ips.push_back(std::move(text));
  } else if (name->type == GEN_DNS || name->type == GEN_EMAIL || name->type == GEN_URI) {
    std::string text = text_of(name->d.ia5);
    if (std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })) {
      return malformed("subject alternative name is not IA5");
    }
    auto& list = name->type == GEN_DNS ? names.dns : name->type == GEN_EMAIL ? names.emails : names.uris;
    list.push_back(std::move(text));
  }
  return {};
}

Result<std::vector<std::string>> subjects_of(const X509* certificate) {
  int critical = -1;
  Owned<GENERAL_NAMES> found(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, nullptr)));
  if (!found && critical != -1) return malformed("invalid subject alternative names");
  Names names;
  int count = sk_GENERAL_NAME_num(found.get());  // -1 without a list
  if (count > kCertificateNamesMax) return Error(ErrorCode::kLimit, "x509: too many subject alternative names");
  for (int i = 0; i < count; ++i) STEEPLE_CHECK(add_name(sk_GENERAL_NAME_value(found.get(), i), names));
  std::vector<std::string> subjects;
  for (auto* list : {&names.dns, &names.emails, &names.ips, &names.uris}) {
    subjects.insert(subjects.end(), list->begin(), list->end());
  }
  if (names.users.size() == 1 && !names.other && !names.users.front().empty()) {
    subjects.push_back(names.users.front());
  }
  return subjects;
}

// Every other part keeps its bytes: OpenSSL holds the encoding of what has not been changed.
Result<Bytes> without_extension(X509* certificate, int at) {
  X509_EXTENSION_free(X509_delete_ext(certificate, at));
  unsigned char* der = nullptr;
  int size = i2d_re_X509_tbs(certificate, &der);
  if (size <= 0) return malformed("no precertificate can be made");
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

}  // namespace

Result<SignerCertificate> read_signer_certificate(const runtime::Certificate& certificate) {
  Owned<X509> decoded = decode(certificate);
  if (!decoded) return malformed("malformed certificate");
  STEEPLE_CHECK(check_extensions(decoded.get()));
  STEEPLE_TRY(subjects, subjects_of(decoded.get()));
  SignerCertificate signer{certificate, std::move(subjects), issuer_of(decoded.get()), std::nullopt, {}};
  int at = X509_get_ext_by_NID(decoded.get(), NID_ct_precert_scts, -1);
  if (std::optional<std::string> list = extension(decoded.get(), at)) {
    signer.sct_list = runtime::to_bytes(runtime::as_bytes(*list));
    STEEPLE_TRY(precertificate, without_extension(decoded.get(), at));
    signer.precertificate = std::move(precertificate);
  }
  return signer;
}

bool may_sign_code(const runtime::Certificate& certificate) {
  Owned<X509> decoded = decode(certificate);
  if (!decoded) return false;
  int critical = -1;
  Owned<EXTENDED_KEY_USAGE> usages(
      static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(decoded.get(), NID_ext_key_usage, &critical, nullptr)));
  if (!usages) return critical == -1;  // absent, or else unreadable
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    int usage = OBJ_obj2nid(sk_ASN1_OBJECT_value(usages.get(), i));
    if (usage == NID_code_sign || usage == NID_anyExtendedKeyUsage) return true;
  }
  return false;
}

}  // namespace steeple::attestation
