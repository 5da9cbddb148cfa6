#include "x509.h"

#include <algorithm>
#include <cctype>

namespace {

constexpr std::string_view kScheme = "spiffe://";

const unsigned char* bytes(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// DER certificates, one after the other.
std::vector<Certificate> certificates(const std::string& der) {
  std::vector<Certificate> found;
  const unsigned char* at = bytes(der);
  const unsigned char* end = at + der.size();
  while (at < end) found.emplace_back(required(d2i_X509(nullptr, &at, end - at), "bad certificate"));
  if (found.empty()) throw std::runtime_error("no certificate");
  return found;
}

void verify_chain(const Svid& svid) {
  const Store store(required(X509_STORE_new(), "store"));
  add_roots(store.get(), svid.roots);
  const std::unique_ptr<STACK_OF(X509), Freed<[](STACK_OF(X509) * stack) { sk_X509_free(stack); }>> untrusted(
      sk_X509_new_null());
  for (std::size_t i = 1; i < svid.chain.size(); ++i) sk_X509_push(untrusted.get(), svid.chain[i].get());
  const std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>> context(
      required(X509_STORE_CTX_new(), "verification"));
  required(X509_STORE_CTX_init(context.get(), store.get(), svid.chain[0].get(), untrusted.get()), "verification");
  if (X509_verify_cert(context.get()) != 1) {
    const int error = X509_STORE_CTX_get_error(context.get());
    throw std::runtime_error(std::string("the chain does not verify: ") + X509_verify_cert_error_string(error));
  }
}

std::string serial_of(const X509* certificate) {
  const Bignum number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr));
  const std::unique_ptr<char, Freed<[](char* text) { OPENSSL_free(text); }>> text(BN_bn2hex(number.get()));
  std::string hex(text.get());
  std::transform(hex.begin(), hex.end(), hex.begin(), [](unsigned char c) { return std::tolower(c); });
  return hex;
}

}  // namespace

void add_roots(X509_STORE* store, const std::vector<Certificate>& roots) {
  for (const Certificate& root : roots) required(X509_STORE_add_cert(store, root.get()), "root");
  X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
}

std::string uri_of(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* uri = name->d.uniformResourceIdentifier;
    return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
            static_cast<std::size_t>(ASN1_STRING_length(uri))};
  }
  return {};
}

std::string domain_of(std::string_view spiffe_id) {
  if (!spiffe_id.starts_with(kScheme)) throw std::runtime_error("not a SPIFFE ID: " + std::string(spiffe_id));
  const std::string_view rest = spiffe_id.substr(kScheme.size());
  return std::string(rest.substr(0, rest.find('/')));
}

Svid check(const X509SVIDResponse& response) {
  if (response.svids().empty()) throw std::runtime_error("no SVID in the response");
  const X509SVID& first = response.svids(0);
  Svid svid;
  svid.spiffe_id = first.spiffe_id();
  svid.chain = certificates(first.x509_svid());
  svid.roots = certificates(first.bundle());
  const unsigned char* der = bytes(first.x509_svid_key());
  svid.key.reset(
      required(d2i_AutoPrivateKey(nullptr, &der, static_cast<long>(first.x509_svid_key().size())), "bad key"));
  verify_chain(svid);
  required(X509_check_private_key(svid.chain[0].get(), svid.key.get()) == 1,
           "the private key does not belong to the certificate");
  if (uri_of(svid.chain[0].get()) != svid.spiffe_id)
    throw std::runtime_error("the certificate says " + uri_of(svid.chain[0].get()));
  svid.serial = serial_of(svid.chain[0].get());
  svid.trust_domains.push_back(domain_of(svid.spiffe_id));
  for (const auto& [domain, bundle] : response.federated_bundles()) svid.trust_domains.push_back(domain_of(domain));
  std::sort(svid.trust_domains.begin(), svid.trust_domains.end());
  return svid;
}
