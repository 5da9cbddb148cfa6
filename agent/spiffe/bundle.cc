#include "agent/spiffe/bundle.h"

#include <algorithm>

#include "runtime/tls/encoding.h"

namespace steeple::agent {

void Bundle::add_x509_authority(runtime::Certificate certificate, bool tainted) {
  for (const X509Authority& known : x509_authorities_) {
    if (known.certificate == certificate) return;
  }
  x509_authorities_.emplace_back(std::move(certificate), tainted);
}

void Bundle::add_jwt_authority(JwtAuthority authority) {
  std::string key_id = authority.key_id;
  jwt_authorities_.insert_or_assign(std::move(key_id), std::move(authority));
}

runtime::Certificates Bundle::certificates() const {
  runtime::Certificates out;
  out.reserve(x509_authorities_.size());
  for (const X509Authority& authority : x509_authorities_) out.push_back(authority.certificate);
  return out;
}

runtime::Bytes Bundle::x509_der() const {
  runtime::Bytes out;
  for (const X509Authority& authority : x509_authorities_) {
    runtime::BytesView der = authority.certificate.der();
    out.insert(out.end(), der.begin(), der.end());
  }
  return out;
}

std::vector<std::string> Bundle::tainted_subject_key_ids() const {
  std::vector<std::string> out;
  for (const X509Authority& authority : x509_authorities_) {
    if (authority.tainted) out.push_back(runtime::to_hex(authority.certificate.subject_key_id()));
  }
  return out;
}

std::vector<std::string> Bundle::tainted_jwt_key_ids() const {
  std::vector<std::string> out;
  for (const auto& [key_id, authority] : jwt_authorities_) {
    if (authority.tainted) out.push_back(key_id);
  }
  return out;
}

bool Bundle::operator==(const Bundle& other) const {
  auto same_certificate = [](const X509Authority& a, const X509Authority& b) { return a.certificate == b.certificate; };
  auto same_key = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.public_key == b.second.public_key;
  };
  return trust_domain_ == other.trust_domain_ && refresh_hint_ == other.refresh_hint_ &&
         sequence_number_ == other.sequence_number_ &&
         std::equal(x509_authorities_.begin(), x509_authorities_.end(), other.x509_authorities_.begin(),
                    other.x509_authorities_.end(), same_certificate) &&
         std::equal(jwt_authorities_.begin(), jwt_authorities_.end(), other.jwt_authorities_.begin(),
                    other.jwt_authorities_.end(), same_key);
}

SharedBundle BundleSet::find(const TrustDomain& trust_domain) const {
  if (own_ && own_->trust_domain() == trust_domain) return own_;
  auto found = federated_.find(trust_domain);
  return found == federated_.end() ? nullptr : found->second;
}

void BundleSet::set_federated(SharedBundle bundle) {
  if (own_ && own_->trust_domain() == bundle->trust_domain()) return;
  TrustDomain trust_domain = bundle->trust_domain();
  federated_.insert_or_assign(std::move(trust_domain), std::move(bundle));
}

bool BundleSet::operator==(const BundleSet& other) const {
  auto same = [](const SharedBundle& a, const SharedBundle& b) { return a == b || (a && b && *a == *b); };
  return same(own_, other.own_) &&
         std::equal(federated_.begin(), federated_.end(), other.federated_.begin(), other.federated_.end(),
                    [&](const auto& a, const auto& b) { return a.first == b.first && same(a.second, b.second); });
}

}  // namespace steeple::agent
