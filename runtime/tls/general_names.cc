#include "runtime/tls/general_names.h"

#include <openssl/x509v3.h>

#include <algorithm>

#include "runtime/tls/der.h"
#include "runtime/tls/openssl_handles.h"

namespace steeple::runtime {

SubjectAltNames subject_alt_names(const stack_st_X509_EXTENSION* extensions) {
  SubjectAltNames out;
  auto* names = static_cast<GENERAL_NAMES*>(X509V3_get_d2i(extensions, NID_subject_alt_name, nullptr, nullptr));
  if (names == nullptr) return out;
  int count = std::min(sk_GENERAL_NAME_num(names), kAltNamesMax);
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI && name->type != GEN_DNS) continue;
    const ASN1_STRING* text = name->d.ia5;
    std::string value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<std::size_t>(ASN1_STRING_length(text)));
    (name->type == GEN_URI ? out.uris : out.dns).push_back(std::move(value));
  }
  GENERAL_NAMES_free(names);
  return out;
}

Bytes encode_alt_names(const std::vector<std::string>& dns, const std::vector<std::string>& uris) {
  Bytes names;
  auto append = [&names](unsigned number, const std::string& value) {
    Bytes name = der::element(der::context(number, false), as_bytes(value));
    names.insert(names.end(), name.begin(), name.end());
  };
  for (const std::string& name : dns) append(GEN_DNS, name);
  for (const std::string& uri : uris) append(GEN_URI, uri);
  return der::element(der::kSequence, names);
}

}  // namespace steeple::runtime
