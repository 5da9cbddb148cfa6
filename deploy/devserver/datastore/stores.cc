#include "deploy/devserver/datastore/stores.h"

#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/entry.pb.h"
#include "spire/api/types/federationrelationship.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

template <class Message>
Result<std::shared_ptr<const Message>> decode(const runtime::Bytes& bytes, const std::string& what) {
  auto message = std::make_shared<Message>();
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error(ErrorCode::kMalformed, "datastore-sql: stored " + what + " cannot be read");
  }
  return std::shared_ptr<const Message>(std::move(message));
}

constexpr std::string_view kStatusNames[] = {"prepared", "active", "old"};

std::string_view to_text(AuthorityStatus status) { return kStatusNames[static_cast<int>(status)]; }

Result<AuthorityStatus> parse_status(const std::string& text) {
  for (int i = 0; i < 3; ++i) {
    if (kStatusNames[i] == text) return static_cast<AuthorityStatus>(i);
  }
  return Error(ErrorCode::kMalformed, "datastore-sql: stored authority has unknown status \"" + text + "\"");
}

}  // namespace

Result<void> EntryStore::load() {
  index_.clear();
  STEEPLE_TRY(rows, database_.prepare("SELECT id, message FROM entries"));
  while (true) {
    STEEPLE_TRY(row, rows.step());
    if (!row) return {};
    STEEPLE_TRY(entry, decode<spire::api::types::Entry>(rows.blob(1), "entry " + rows.text(0)));
    index_.put(std::move(entry));
  }
}

Result<void> EntryStore::put(EntryPtr entry) {
  STEEPLE_TRY(insert, database_.prepare(
                          "INSERT INTO entries (id, spiffe_id, parent_id, message) VALUES (?,?,?,?) ON CONFLICT(id) "
                          "DO UPDATE SET spiffe_id=excluded.spiffe_id, parent_id=excluded.parent_id, "
                          "message=excluded.message"));
  insert.bind(1, entry->id()).bind(2, id_text(entry->spiffe_id())).bind(3, id_text(entry->parent_id()));
  insert.bind_blob(4, runtime::as_bytes(entry->SerializeAsString()));
  STEEPLE_CHECK(insert.run());
  index_.put(std::move(entry));
  return {};
}

Result<void> EntryStore::erase(std::string id) {
  STEEPLE_TRY(statement, database_.prepare("DELETE FROM entries WHERE id=?"));
  STEEPLE_CHECK(statement.bind(1, id).run());
  index_.erase(id);
  return {};
}

Result<void> JoinTokenStore::add(const std::string& value, std::int64_t expires_at) {
  STEEPLE_TRY(insert, database_.prepare("INSERT INTO join_tokens (value, expires_at) VALUES (?,?)"));
  return insert.bind(1, value).bind(2, expires_at).run();
}

Result<std::optional<std::int64_t>> JoinTokenStore::take(const std::string& value) {
  STEEPLE_TRY(remove, database_.prepare("DELETE FROM join_tokens WHERE value=? RETURNING expires_at"));
  remove.bind(1, value);
  STEEPLE_TRY(row, remove.step());
  if (!row) return std::optional<std::int64_t>();
  std::int64_t expires_at = remove.number(0);
  STEEPLE_TRY(more, remove.step());
  static_cast<void>(more);
  return std::optional(expires_at);
}

Result<void> JoinTokenStore::prune(std::int64_t now) {
  STEEPLE_TRY(remove, database_.prepare("DELETE FROM join_tokens WHERE expires_at < ?"));
  return remove.bind(1, now).run();
}

Result<void> BundleStore::load() {
  bundles_.clear();
  STEEPLE_TRY(rows, database_.prepare("SELECT trust_domain, message FROM federated_bundles"));
  while (true) {
    STEEPLE_TRY(row, rows.step());
    if (!row) return {};
    STEEPLE_TRY(bundle, decode<spire::api::types::Bundle>(rows.blob(1), "bundle of " + rows.text(0)));
    bundles_.insert_or_assign(rows.text(0), std::move(bundle));
  }
}

BundlePtr BundleStore::find(const std::string& trust_domain) const {
  auto found = bundles_.find(trust_domain);
  return found == bundles_.end() ? nullptr : found->second;
}

Result<void> BundleStore::put(BundlePtr bundle) {
  STEEPLE_TRY(insert, database_.prepare("INSERT INTO federated_bundles (trust_domain, message) VALUES (?,?) "
                                        "ON CONFLICT(trust_domain) DO UPDATE SET message=excluded.message"));
  insert.bind(1, bundle->trust_domain()).bind_blob(2, runtime::as_bytes(bundle->SerializeAsString()));
  STEEPLE_CHECK(insert.run());
  std::string name = bundle->trust_domain();
  bundles_.insert_or_assign(std::move(name), std::move(bundle));
  return {};
}

Result<void> BundleStore::erase(std::string trust_domain) {
  STEEPLE_TRY(remove, database_.prepare("DELETE FROM federated_bundles WHERE trust_domain=?"));
  STEEPLE_CHECK(remove.bind(1, trust_domain).run());
  bundles_.erase(trust_domain);
  return {};
}

Result<void> RelationshipStore::load() {
  relationships_.clear();
  STEEPLE_TRY(rows, database_.prepare("SELECT trust_domain, message FROM federation_relationships"));
  while (true) {
    STEEPLE_TRY(row, rows.step());
    if (!row) return {};
    STEEPLE_TRY(relationship, decode<spire::api::types::FederationRelationship>(
                                  rows.blob(1), "federation relationship with " + rows.text(0)));
    relationships_.insert_or_assign(rows.text(0), std::move(relationship));
  }
}

RelationshipPtr RelationshipStore::find(const std::string& trust_domain) const {
  auto found = relationships_.find(trust_domain);
  return found == relationships_.end() ? nullptr : found->second;
}

Result<void> RelationshipStore::put(RelationshipPtr relationship) {
  STEEPLE_TRY(insert, database_.prepare("INSERT INTO federation_relationships (trust_domain, message) VALUES (?,?) "
                                        "ON CONFLICT(trust_domain) DO UPDATE SET message=excluded.message"));
  insert.bind(1, relationship->trust_domain()).bind_blob(2, runtime::as_bytes(relationship->SerializeAsString()));
  STEEPLE_CHECK(insert.run());
  std::string name = relationship->trust_domain();
  relationships_.insert_or_assign(std::move(name), std::move(relationship));
  return {};
}

Result<void> RelationshipStore::erase(std::string trust_domain) {
  STEEPLE_TRY(remove, database_.prepare("DELETE FROM federation_relationships WHERE trust_domain=?"));
  STEEPLE_CHECK(remove.bind(1, trust_domain).run());
  relationships_.erase(trust_domain);
  return {};
}

Result<void> AuthorityStore::load() {
  authorities_.clear();
  STEEPLE_TRY(rows,
              database_.prepare("SELECT kind, id, status, tainted, not_before, not_after, material FROM authorities "
                                "ORDER BY position"));
  while (true) {
    STEEPLE_TRY(row, rows.step());
    if (!row) break;
    AuthorityRecord authority;
    authority.kind = rows.text(0) == "jwt" ? AuthorityKind::kJwt : AuthorityKind::kX509;
    authority.id = rows.text(1);
    STEEPLE_TRY(status, parse_status(rows.text(2)));
    authority.status = status;
    authority.tainted = rows.number(3) != 0;
    authority.not_before = rows.number(4);
    authority.not_after = rows.number(5);
    authority.material = rows.blob(6);
    authorities_.push_back(std::move(authority));
  }
  STEEPLE_TRY(counter, database_.prepare("SELECT value FROM counters WHERE name='bundle_sequence_number'"));
  STEEPLE_TRY(known, counter.step());
  sequence_number_ = known ? static_cast<std::uint64_t>(counter.number(0)) : 0;
  return {};
}

Result<void> AuthorityStore::add(AuthorityRecord authority) {
  STEEPLE_TRY(insert,
              database_.prepare("INSERT INTO authorities (kind, id, status, tainted, not_before, not_after, material) "
                                "VALUES (?,?,?,?,?,?,?)"));
  insert.bind(1, authority.kind == AuthorityKind::kJwt ? "jwt" : "x509").bind(2, authority.id);
  insert.bind(3, to_text(authority.status)).bind(4, std::int64_t{authority.tainted});
  insert.bind(5, authority.not_before).bind(6, authority.not_after).bind_blob(7, authority.material);
  STEEPLE_CHECK(insert.run());
  authorities_.push_back(std::move(authority));
  return {};
}

Result<void> AuthorityStore::update(AuthorityRecord authority) {
  STEEPLE_TRY(change, database_.prepare("UPDATE authorities SET status=?, tainted=? WHERE id=?"));
  STEEPLE_CHECK(
      change.bind(1, to_text(authority.status)).bind(2, std::int64_t{authority.tainted}).bind(3, authority.id).run());
  for (AuthorityRecord& known : authorities_) {
    if (known.id == authority.id) known = authority;
  }
  return {};
}

Result<void> AuthorityStore::erase(std::string id) {
  STEEPLE_TRY(remove, database_.prepare("DELETE FROM authorities WHERE id=?"));
  STEEPLE_CHECK(remove.bind(1, id).run());
  std::erase_if(authorities_, [&](const AuthorityRecord& known) { return known.id == id; });
  return {};
}

Result<void> AuthorityStore::bump_sequence_number() {
  STEEPLE_TRY(change, database_.prepare("INSERT INTO counters (name, value) VALUES ('bundle_sequence_number', ?) "
                                        "ON CONFLICT(name) DO UPDATE SET value=excluded.value"));
  STEEPLE_CHECK(change.bind(1, static_cast<std::int64_t>(sequence_number_ + 1)).run());
  ++sequence_number_;
  return {};
}

Datastore::Datastore(std::unique_ptr<Database> database)
    : database_(std::move(database)),
      entries_(*database_),
      agents_(*database_),
      join_tokens_(*database_),
      bundles_(*database_),
      relationships_(*database_),
      authorities_(*database_) {}

Result<std::unique_ptr<Datastore>> Datastore::open(const std::string& path) {
  STEEPLE_TRY(database, Database::open(path));
  std::unique_ptr<Datastore> store(new Datastore(std::move(database)));
  STEEPLE_CHECK(store->load());
  return store;
}

Result<void> Datastore::load() {
  STEEPLE_CHECK(entries_.load());
  STEEPLE_CHECK(agents_.load());
  STEEPLE_CHECK(bundles_.load());
  STEEPLE_CHECK(relationships_.load());
  return authorities_.load();
}

Result<void> Datastore::write(const std::function<Result<void>()>& change) {
  if (broken_) return Error(ErrorCode::kInternal, "datastore-sql: an earlier failure left the datastore unusable");
  Result<void> written;
  {
    STEEPLE_TRY(transaction, Transaction::begin(*database_));
    written = change();
    if (written) written = transaction.commit();
  }
  if (!written) broken_ = !load();
  return written;
}

}  // namespace steeple::devserver
