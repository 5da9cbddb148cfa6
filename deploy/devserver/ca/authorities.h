// The trust domain's local authorities through their life: prepared, active, old, tainted, revoked (server-sync 8.5).
// One X.509 authority and one JWT key are active at any time; all that are not revoked are in the bundle. Every change
// is on disk before it is told. Owned by the server, I/O thread only.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "agent/spiffe/trust_domain.h"
#include "deploy/devserver/ca/key_store.h"
#include "deploy/devserver/ca/profile.h"
#include "deploy/devserver/datastore/stores.h"
#include "runtime/core/clock.h"
#include "runtime/core/log.h"

namespace steeple::devserver {

inline constexpr std::size_t kAuthoritiesMax = 32;  // of one kind, in the bundle at once
inline constexpr std::chrono::hours kPruneAfterExpiry{24};

class JwtIssuer {
 public:
  JwtIssuer(std::string id, runtime::PrivateKey signing_key, std::int64_t expiry)
      : key_id(std::move(id)), key(std::move(signing_key)), expires_at(expiry) {}
  std::string key_id;
  runtime::PrivateKey key;
  std::int64_t expires_at;
};

class Authorities {
 public:
  // Makes the first authorities of a new server, and new ones where a stored one has no key any more (KeyManager
  // memory).
  static runtime::Result<std::unique_ptr<Authorities>> open(Datastore& datastore, KeyStore keys,
                                                            const runtime::Clock& clock,
                                                            agent::TrustDomain trust_domain, std::chrono::seconds ttl,
                                                            runtime::Logger log, AuthoritySubject subject = {});

  // Prepares, activates and prunes what time demands. Called every few seconds.
  runtime::Result<void> maintain();

  const X509Issuer& x509() const { return *x509_; }
  const JwtIssuer& jwt() const { return *jwt_; }
  const std::vector<AuthorityRecord>& all() const { return datastore_.authorities().all(); }
  std::uint64_t sequence_number() const { return datastore_.authorities().sequence_number(); }
  runtime::Certificates x509_certificates() const;  // all in the bundle; for checking peers

  // Newest of that status, or null.
  const AuthorityRecord* newest(AuthorityKind kind, AuthorityStatus status) const;

  // By hand. kInvalidArgument with the real server's text for an id that may not be used so.
  runtime::Result<AuthorityRecord> prepare(AuthorityKind kind);
  runtime::Result<AuthorityRecord> activate(AuthorityKind kind, const std::string& id);
  runtime::Result<AuthorityRecord> taint(AuthorityKind kind, const std::string& id);
  runtime::Result<AuthorityRecord> revoke(AuthorityKind kind, const std::string& id);

 private:
  Authorities(Datastore& datastore, KeyStore keys, const runtime::Clock& clock, agent::TrustDomain trust_domain,
              std::chrono::seconds ttl, runtime::Logger log, AuthoritySubject subject);
  runtime::Result<AuthorityRecord> make(AuthorityKind kind);
  runtime::Result<void> activate(AuthorityRecord next);
  runtime::Result<void> check_revocable(AuthorityKind kind, const std::string& id) const;
  runtime::Result<void> maintain(AuthorityKind kind);
  runtime::Result<void> prune();
  runtime::Result<void> load_active(AuthorityKind kind);
  runtime::Result<void> ensure_active(AuthorityKind kind);
  const AuthorityRecord* find(AuthorityKind kind, const std::string& id) const;

  Datastore& datastore_;
  KeyStore keys_;
  const runtime::Clock& clock_;
  agent::TrustDomain trust_domain_;
  std::chrono::seconds ttl_;
  AuthoritySubject subject_;
  runtime::Logger log_;
  std::unique_ptr<X509Issuer> x509_;
  std::unique_ptr<JwtIssuer> jwt_;
};

}  // namespace steeple::devserver
