// The state of the development server: each store is a table and its copy in memory, changed together. Read from
// memory, written inside Datastore::write(). I/O thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "attestation/selector/selector.h"
#include "deploy/devserver/datastore/database.h"
#include "deploy/devserver/datastore/entry_index.h"

namespace spire::api::types {
class Bundle;
class FederationRelationship;
}  // namespace spire::api::types

namespace steeple::devserver {

class EntryStore {
 public:
  explicit EntryStore(Database& database) : database_(database) {}
  runtime::Result<void> load();
  const EntryIndex& index() const { return index_; }
  runtime::Result<void> put(EntryPtr entry);
  runtime::Result<void> erase(std::string id);

 private:
  Database& database_;
  EntryIndex index_;
};

// An attested node (server-sync 8.3). Banned means: no serial, current or pending.
struct AgentRecord {
  std::string spiffe_id;
  std::string attestation_type;
  std::string serial;  // decimal
  std::int64_t expires_at = 0;
  std::string pending_serial;  // of a renewed SVID that has not been used yet
  std::int64_t pending_expires_at = 0;
  bool can_reattest = false;
  std::string version;
  attestation::Selectors selectors;

  bool banned() const { return serial.empty(); }
};

class AgentStore {
 public:
  explicit AgentStore(Database& database) : database_(database) {}
  runtime::Result<void> load();
  const std::map<std::string, AgentRecord>& all() const { return agents_; }
  const AgentRecord* find(const std::string& spiffe_id) const;
  runtime::Result<void> put(AgentRecord agent);
  runtime::Result<void> erase(std::string spiffe_id);

 private:
  runtime::Result<void> load_selectors();
  Database& database_;
  std::map<std::string, AgentRecord> agents_;
};

class JoinTokenStore {
 public:
  explicit JoinTokenStore(Database& database) : database_(database) {}
  runtime::Result<void> add(const std::string& value, std::int64_t expires_at);
  // Uses the token up; gives its expiry, or nothing when there is no such token.
  runtime::Result<std::optional<std::int64_t>> take(const std::string& value);
  runtime::Result<void> prune(std::int64_t now);  // what expired before `now`

 private:
  Database& database_;
};

using BundlePtr = std::shared_ptr<const spire::api::types::Bundle>;

class BundleStore {
 public:
  explicit BundleStore(Database& database) : database_(database) {}
  runtime::Result<void> load();
  const std::map<std::string, BundlePtr>& all() const { return bundles_; }  // by trust domain name
  BundlePtr find(const std::string& trust_domain) const;
  runtime::Result<void> put(BundlePtr bundle);
  runtime::Result<void> erase(std::string trust_domain);

 private:
  Database& database_;
  std::map<std::string, BundlePtr> bundles_;
};

using RelationshipPtr = std::shared_ptr<const spire::api::types::FederationRelationship>;

// Federation relationships made through the API. Stored without their bundle, which is the bundle store's.
class RelationshipStore {
 public:
  explicit RelationshipStore(Database& database) : database_(database) {}
  runtime::Result<void> load();
  const std::map<std::string, RelationshipPtr>& all() const { return relationships_; }  // by trust domain name
  RelationshipPtr find(const std::string& trust_domain) const;
  runtime::Result<void> put(RelationshipPtr relationship);
  runtime::Result<void> erase(std::string trust_domain);

 private:
  Database& database_;
  std::map<std::string, RelationshipPtr> relationships_;
};

enum class AuthorityKind { kX509, kJwt };
enum class AuthorityStatus { kPrepared, kActive, kOld };

// A local authority as it is stored; its private key is in the key store, under the authority's id.
struct AuthorityRecord {
  AuthorityKind kind = AuthorityKind::kX509;
  std::string id;  // X.509: subject key id in lower hex; JWT: key id
  AuthorityStatus status = AuthorityStatus::kPrepared;
  bool tainted = false;
  std::int64_t not_before = 0;
  std::int64_t not_after = 0;
  runtime::Bytes material;  // X.509: certificate DER; JWT: SubjectPublicKeyInfo DER
};

class AuthorityStore {
 public:
  explicit AuthorityStore(Database& database) : database_(database) {}
  runtime::Result<void> load();
  const std::vector<AuthorityRecord>& all() const { return authorities_; }  // oldest first
  std::uint64_t sequence_number() const { return sequence_number_; }
  runtime::Result<void> add(AuthorityRecord authority);
  runtime::Result<void> update(AuthorityRecord authority);
  runtime::Result<void> erase(std::string id);
  runtime::Result<void> bump_sequence_number();

 private:
  Database& database_;
  std::vector<AuthorityRecord> authorities_;
  std::uint64_t sequence_number_ = 0;
};

class Datastore {
 public:
  static runtime::Result<std::unique_ptr<Datastore>> open(const std::string& path);

  EntryStore& entries() { return entries_; }
  AgentStore& agents() { return agents_; }
  JoinTokenStore& join_tokens() { return join_tokens_; }
  BundleStore& bundles() { return bundles_; }
  RelationshipStore& relationships() { return relationships_; }
  AuthorityStore& authorities() { return authorities_; }

  // Runs `change` in one transaction. When it or the commit fails, nothing of it remains, on disk or in memory. What it
  // returns must be acknowledged to nobody before this returns.
  runtime::Result<void> write(const std::function<runtime::Result<void>()>& change);

 private:
  explicit Datastore(std::unique_ptr<Database> database);
  runtime::Result<void> load();
  std::unique_ptr<Database> database_;
  EntryStore entries_;
  AgentStore agents_;
  JoinTokenStore join_tokens_;
  BundleStore bundles_;
  RelationshipStore relationships_;
  AuthorityStore authorities_;
  bool broken_ = false;  // memory could not be brought back in line with the disk
};

}  // namespace steeple::devserver
