#include "agent/spiffe/x509_svid.h"

namespace steeple::agent {

using runtime::Certificate;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Result<SpiffeId> spiffe_id_of(const Certificate& certificate) {
  if (certificate.uri_sans().empty()) return Error(ErrorCode::kMalformed, "certificate contains no URI SAN");
  if (certificate.uri_sans().size() > 1) {
    return Error(ErrorCode::kMalformed, "certificate contains more than one URI SAN");
  }
  return SpiffeId::parse(certificate.uri_sans().front());
}

Result<void> check_leaf(const Certificate& leaf) {
  if (leaf.is_ca()) return Error(ErrorCode::kMalformed, "leaf certificate with CA flag set to true");
  unsigned usage = leaf.key_usage().value_or(0);
  if (usage & runtime::kKeyCertSign) {
    return Error(ErrorCode::kMalformed, "leaf certificate with KeyCertSign key usage");
  }
  if (usage & runtime::kCrlSign) return Error(ErrorCode::kMalformed, "leaf certificate with KeyCrlSign key usage");
  return {};
}

Result<std::shared_ptr<const X509Svid>> X509Svid::make(runtime::BytesView chain, runtime::SecretBytes pkcs8,
                                                       runtime::BytesView public_key) {
  STEEPLE_TRY(certificates, runtime::parse_certificate_chain(chain));
  if (certificates.empty()) return Error(ErrorCode::kMalformed, "empty certificate chain");
  const Certificate& leaf = certificates.front();
  STEEPLE_TRY(id, with_context(spiffe_id_of(leaf), "could not get leaf SPIFFE ID"));
  STEEPLE_CHECK(check_leaf(leaf));
  if (!runtime::same_public_key(leaf.public_key(), public_key)) {
    return Error(ErrorCode::kMalformed, "leaf certificate does not match private key");
  }
  std::shared_ptr<X509Svid> svid(new X509Svid());
  svid->id_ = std::move(id);
  svid->chain_ = runtime::to_bytes(chain);
  svid->leaf_size_ = leaf.der().size();
  svid->key_ = std::move(pkcs8);
  svid->not_before_ = leaf.not_before();
  svid->not_after_ = leaf.not_after();
  return std::shared_ptr<const X509Svid>(std::move(svid));
}

Result<std::shared_ptr<const X509Svid>> X509Svid::make(runtime::BytesView chain, const runtime::PrivateKey& key) {
  return make(chain, key.to_pkcs8().clone(), key.public_key());
}

std::string X509Svid::serial_decimal() const {
  Result<Certificate> certificate = Certificate::parse(leaf());
  return certificate ? certificate->serial_decimal() : std::string();
}

}  // namespace steeple::agent
