// A trust domain's authority that issues real X.509-SVIDs, for tests of what serves them.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "agent/cache/workload_update.h"
#include "runtime/tls/keys.h"
#include "runtime/tls/x509.h"

namespace steeple::tests {

class TestAuthority {
 public:
  explicit TestAuthority(const std::string& trust_domain, std::chrono::seconds lifetime = std::chrono::hours(1))
      : trust_domain_(*agent::TrustDomain::parse(trust_domain)),
        lifetime_(lifetime),
        key_(*runtime::PrivateKey::generate(runtime::KeyType::kEcP256)),
        certificate_(make(trust_domain_.id_string(), key_, true)) {}

  agent::SharedBundle bundle() const {
    auto bundle = std::make_shared<agent::Bundle>(trust_domain_);
    bundle->add_x509_authority(certificate_);
    for (const agent::JwtAuthority& authority : jwt_authorities_) bundle->add_jwt_authority(authority);
    return bundle;
  }
  void add_jwt_key(const std::string& key_id, const runtime::PrivateKey& key) {
    jwt_authorities_.emplace_back(key_id, key.public_key());
  }

  agent::SharedX509Svid svid(const std::string& path) const {
    auto key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
    runtime::Certificate leaf = make(trust_domain_.id_string() + path, key, false);
    return *agent::X509Svid::make(leaf.der(), key);
  }

  agent::Identity identity(const std::string& entry_id, const std::string& path, const std::string& hint = "",
                           std::int64_t created_at = 0) const {
    auto id = *agent::SpiffeId::parse(trust_domain_.id_string() + path);
    auto entry =
        std::make_shared<agent::RegistrationEntry>(entry_id, id, attestation::Selectors({{"unix", "uid:" + entry_id}}));
    entry->hint = hint;
    entry->created_at = created_at;
    return agent::Identity(entry, svid(path));
  }

  std::shared_ptr<const agent::WorkloadUpdate> update(std::vector<agent::Identity> identities,
                                                      std::vector<agent::SharedBundle> federated = {}) const {
    return std::make_shared<agent::WorkloadUpdate>(std::move(identities), bundle(), std::move(federated));
  }

 private:
  runtime::Certificate make(const std::string& uri, const runtime::PrivateKey& key, bool is_ca) const {
    runtime::CertificateTemplate wanted;
    wanted.serial = runtime::random_serial();
    wanted.not_before = std::chrono::system_clock::now() - std::chrono::minutes(1);
    wanted.not_after = std::chrono::system_clock::now() + lifetime_;
    wanted.uri_sans = {uri};
    wanted.is_ca = is_ca;
    wanted.key_usage = is_ca ? runtime::kKeyCertSign | runtime::kCrlSign : runtime::kDigitalSignature;
    wanted.server_and_client_auth = !is_ca;
    wanted.public_key = key.public_key();
    return *runtime::sign_certificate(wanted, is_ca ? key : key_, is_ca ? nullptr : &certificate_);
  }

  agent::TrustDomain trust_domain_;
  std::chrono::seconds lifetime_;
  runtime::PrivateKey key_;
  runtime::Certificate certificate_;
  std::vector<agent::JwtAuthority> jwt_authorities_;
};

}  // namespace steeple::tests
