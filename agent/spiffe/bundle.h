// A trust domain's bundle: X.509 and JWT authorities, refresh hint, sequence number; equality as in server-sync 3.5.
// Immutable once shared. A BundleSet is what one sync pass knows: the own bundle and the federated ones.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/spiffe/trust_domain.h"
#include "runtime/tls/x509.h"

namespace steeple::agent {

class X509Authority {
 public:
  explicit X509Authority(runtime::Certificate authority, bool is_tainted = false)
      : certificate(std::move(authority)), tainted(is_tainted) {}
  runtime::Certificate certificate;
  bool tainted;
};

class JwtAuthority {
 public:
  JwtAuthority(std::string id, runtime::Bytes key, std::int64_t expiry = 0, bool is_tainted = false)
      : key_id(std::move(id)), public_key(std::move(key)), expires_at(expiry), tainted(is_tainted) {}
  std::string key_id;
  runtime::Bytes public_key;  // SubjectPublicKeyInfo DER
  std::int64_t expires_at;    // Unix seconds, 0: never
  bool tainted;
};

class Bundle {
 public:
  explicit Bundle(TrustDomain trust_domain) : trust_domain_(std::move(trust_domain)) {}

  const TrustDomain& trust_domain() const { return trust_domain_; }
  const std::vector<X509Authority>& x509_authorities() const { return x509_authorities_; }  // in the server's order
  const std::map<std::string, JwtAuthority>& jwt_authorities() const { return jwt_authorities_; }
  std::optional<std::chrono::seconds> refresh_hint() const { return refresh_hint_; }
  std::optional<std::uint64_t> sequence_number() const { return sequence_number_; }

  void add_x509_authority(runtime::Certificate certificate,
                          bool tainted = false);   // one already there is left as it is
  void add_jwt_authority(JwtAuthority authority);  // replaces one of the same key id
  void set_refresh_hint(std::optional<std::chrono::seconds> hint) { refresh_hint_ = hint; }
  void set_sequence_number(std::optional<std::uint64_t> number) { sequence_number_ = number; }

  bool empty() const { return x509_authorities_.empty() && jwt_authorities_.empty(); }
  runtime::Certificates certificates() const;
  runtime::Bytes x509_der() const;                           // concatenated, in order
  std::vector<std::string> tainted_subject_key_ids() const;  // lower-case hex (server-sync 3.9)
  std::vector<std::string> tainted_jwt_key_ids() const;

  // Trust domain, hint, sequence number, X.509 authorities in order, JWT authorities (id and key). A flag that turns
  // tainted comes with a new sequence number; it is no part of equality, and neither is a key's expiry.
  bool operator==(const Bundle& other) const;

 private:
  TrustDomain trust_domain_;
  std::vector<X509Authority> x509_authorities_;
  std::map<std::string, JwtAuthority> jwt_authorities_;
  std::optional<std::chrono::seconds> refresh_hint_;
  std::optional<std::uint64_t> sequence_number_;
};

using SharedBundle = std::shared_ptr<const Bundle>;

class BundleSet {
 public:
  BundleSet() = default;
  explicit BundleSet(SharedBundle own) : own_(std::move(own)) {}

  const SharedBundle& own() const { return own_; }  // null before the first bundle is known
  const std::map<TrustDomain, SharedBundle>& federated() const { return federated_; }
  SharedBundle find(const TrustDomain& trust_domain) const;  // null: not known
  void set_own(SharedBundle own) { own_ = std::move(own); }
  void set_federated(SharedBundle bundle);  // a bundle of the own trust domain is passed over
  bool operator==(const BundleSet& other) const;

 private:
  SharedBundle own_;
  std::map<TrustDomain, SharedBundle> federated_;
};

}  // namespace steeple::agent
