// A certificate authority that signs what a test asks for: right, for another name or key, or expired.
#pragma once

#include <memory>
#include <string>

#include "agent/spiffe/bundle.h"
#include "agent/spiffe/x509_svid.h"
#include "runtime/tls/csr.h"

namespace steeple::tests {

class SigningAuthority {
 public:
  explicit SigningAuthority(const std::string& trust_domain)
      : trust_domain_(*agent::TrustDomain::parse(trust_domain)),
        key_(*runtime::PrivateKey::generate(runtime::KeyType::kEcP256)),
        certificate_(self_signed()) {}

  const runtime::Certificate& certificate() const { return certificate_; }
  const agent::TrustDomain& trust_domain() const { return trust_domain_; }

  agent::Bundle bundle(std::uint64_t sequence_number = 1, bool tainted = false) const {
    agent::Bundle bundle(trust_domain_);
    bundle.add_x509_authority(certificate_, tainted);
    bundle.set_sequence_number(sequence_number);
    return bundle;
  }
  agent::SharedBundle shared_bundle(std::uint64_t sequence_number = 1) const {
    return std::make_shared<const agent::Bundle>(bundle(sequence_number));
  }

  runtime::Certificate sign(runtime::BytesView public_key, const std::string& spiffe_id, runtime::WallTime not_before,
                            runtime::WallTime not_after) const {
    runtime::CertificateTemplate leaf;
    leaf.serial = runtime::random_serial();
    leaf.not_before = not_before;
    leaf.not_after = not_after;
    leaf.uri_sans = {spiffe_id};
    leaf.key_usage = runtime::kDigitalSignature;
    leaf.public_key = runtime::to_bytes(public_key);
    return *runtime::sign_certificate(leaf, key_, &certificate_);
  }

  std::shared_ptr<const agent::X509Svid> svid(const std::string& spiffe_id, runtime::WallTime not_before,
                                              runtime::WallTime not_after) const {
    static const runtime::PrivateKey key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
    return *agent::X509Svid::make(sign(key.public_key(), spiffe_id, not_before, not_after).der(), key);
  }
  std::shared_ptr<const agent::X509Svid> svid(const std::string& spiffe_id) const {
    const auto now = std::chrono::system_clock::now();
    return svid(spiffe_id, now - std::chrono::seconds(10), now + std::chrono::hours(1));
  }

 private:
  runtime::Certificate self_signed() const {
    runtime::CertificateTemplate ca;
    ca.serial = runtime::random_serial();
    ca.not_before = std::chrono::system_clock::now() - std::chrono::hours(1000);
    ca.not_after = std::chrono::system_clock::now() + std::chrono::hours(1000);
    ca.uri_sans = {trust_domain_.id_string()};
    ca.is_ca = true;
    ca.key_usage = runtime::kKeyCertSign | runtime::kCrlSign;
    ca.public_key = key_.public_key();
    return *runtime::sign_certificate(ca, key_, nullptr);
  }
  agent::TrustDomain trust_domain_;
  runtime::PrivateKey key_;
  runtime::Certificate certificate_;
};

}  // namespace steeple::tests
