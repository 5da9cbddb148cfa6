#include "deploy/devserver/ca/authorities.h"

#include <algorithm>
#include <set>

#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using std::chrono::seconds;

// When the next authority is made and when it takes over, as seconds left to the active one (server-sync 8.5).
seconds prepare_threshold(seconds lifetime) { return std::min<seconds>(lifetime / 2, std::chrono::days(30)); }
seconds activation_threshold(seconds lifetime) { return std::min<seconds>(lifetime / 6, std::chrono::days(7)); }

std::string_view name_of(AuthorityKind kind) { return kind == AuthorityKind::kX509 ? "X.509" : "JWT"; }

Error refused(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

}  // namespace

Authorities::Authorities(Datastore& datastore, KeyStore keys, const runtime::Clock& clock,
                         agent::TrustDomain trust_domain, seconds ttl, runtime::Logger log, AuthoritySubject subject)
    : datastore_(datastore),
      keys_(std::move(keys)),
      clock_(clock),
      trust_domain_(std::move(trust_domain)),
      ttl_(ttl),
      subject_(std::move(subject)),
      log_(std::move(log)) {}

Result<std::unique_ptr<Authorities>> Authorities::open(Datastore& datastore, KeyStore keys, const runtime::Clock& clock,
                                                       agent::TrustDomain trust_domain, seconds ttl,
                                                       runtime::Logger log, AuthoritySubject subject) {
  std::unique_ptr<Authorities> authorities(new Authorities(datastore, std::move(keys), clock, std::move(trust_domain),
                                                           ttl, std::move(log), std::move(subject)));
  STEEPLE_CHECK(authorities->ensure_active(AuthorityKind::kX509));
  STEEPLE_CHECK(authorities->ensure_active(AuthorityKind::kJwt));
  STEEPLE_CHECK(authorities->maintain());
  return authorities;
}

const AuthorityRecord* Authorities::newest(AuthorityKind kind, AuthorityStatus status) const {
  const auto& records = all();
  auto found = std::find_if(records.rbegin(), records.rend(),
                            [&](const AuthorityRecord& known) { return known.kind == kind && known.status == status; });
  return found == records.rend() ? nullptr : &*found;
}

const AuthorityRecord* Authorities::find(AuthorityKind kind, const std::string& id) const {
  const auto& records = all();
  auto found = std::find_if(records.begin(), records.end(),
                            [&](const AuthorityRecord& known) { return known.kind == kind && known.id == id; });
  return found == records.end() ? nullptr : &*found;
}

runtime::Certificates Authorities::x509_certificates() const {
  runtime::Certificates certificates;
  for (const AuthorityRecord& authority : all()) {
    if (authority.kind != AuthorityKind::kX509) continue;
    if (auto certificate = runtime::Certificate::parse(authority.material))
      certificates.push_back(std::move(*certificate));
  }
  return certificates;
}

// Active, with its key at hand, and not expired; else a new one takes its place at once.
Result<void> Authorities::ensure_active(AuthorityKind kind) {
  const AuthorityRecord* active = newest(kind, AuthorityStatus::kActive);
  std::int64_t now = unix_seconds(clock_.wall_now());
  if (active != nullptr && keys_.find(active->id) && active->not_after > now) return load_active(kind);
  STEEPLE_TRY(next, prepare(kind));
  return activate(std::move(next));
}

Result<void> Authorities::load_active(AuthorityKind kind) {
  const AuthorityRecord& active = *newest(kind, AuthorityStatus::kActive);
  auto key = keys_.find(active.id);
  if (!key) {
    return Error(ErrorCode::kNotFound,
                 std::string("the key of the active ") + std::string(name_of(kind)) + " authority is missing");
  }
  if (kind == AuthorityKind::kX509) {
    STEEPLE_TRY(certificate, runtime::Certificate::parse(active.material));
    x509_ = std::make_unique<X509Issuer>(std::move(certificate), std::move(*key));
  } else {
    jwt_ = std::make_unique<JwtIssuer>(active.id, std::move(*key), active.not_after);
  }
  return {};
}

// Key first, then the record: a crash between the two leaves a key that nothing refers to, which prune() drops.
Result<AuthorityRecord> Authorities::make(AuthorityKind kind) {
  STEEPLE_TRY(key, runtime::PrivateKey::generate(runtime::KeyType::kEcP256));
  runtime::WallTime now = clock_.wall_now();
  AuthorityRecord record;
  record.kind = kind;
  record.status = AuthorityStatus::kPrepared;
  record.not_before = unix_seconds(now);
  record.not_after = unix_seconds(now + ttl_);
  if (kind == AuthorityKind::kX509) {
    STEEPLE_TRY(certificate, make_authority(key, trust_domain_.id_string(), ttl_, now, subject_));
    record.id = runtime::to_hex(certificate.subject_key_id());
    record.material = runtime::to_bytes(certificate.der());
  } else {
    record.id = random_key_id();
    record.material = key.public_key();
  }
  STEEPLE_CHECK(keys_.put(record.id, key));
  return record;
}

Result<AuthorityRecord> Authorities::prepare(AuthorityKind kind) {
  auto same_kind = [kind](const AuthorityRecord& known) { return known.kind == kind; };
  if (std::count_if(all().begin(), all().end(), same_kind) >= static_cast<std::ptrdiff_t>(kAuthoritiesMax)) {
    return Error(ErrorCode::kLimit, "too many authorities in the bundle; revoke old ones");
  }
  STEEPLE_TRY(record, make(kind));
  STEEPLE_CHECK(datastore_.write([&]() -> Result<void> {
    if (const AuthorityRecord* replaced = newest(kind, AuthorityStatus::kPrepared)) {
      AuthorityRecord old = *replaced;
      old.status = AuthorityStatus::kOld;
      STEEPLE_CHECK(datastore_.authorities().update(std::move(old)));
    }
    STEEPLE_CHECK(datastore_.authorities().add(record));
    return datastore_.authorities().bump_sequence_number();
  }));
  log_.info(std::string(name_of(kind)) + " authority prepared",
            {{"local_authority_id", record.id},
             {"expiration", runtime::rfc3339(runtime::WallTime(seconds(record.not_after)))}});
  return record;
}

Result<void> Authorities::activate(AuthorityRecord next) {
  next.status = AuthorityStatus::kActive;
  STEEPLE_CHECK(datastore_.write([&]() -> Result<void> {
    if (const AuthorityRecord* active = newest(next.kind, AuthorityStatus::kActive)) {
      AuthorityRecord old = *active;
      old.status = AuthorityStatus::kOld;
      STEEPLE_CHECK(datastore_.authorities().update(std::move(old)));
    }
    return datastore_.authorities().update(next);
  }));
  log_.info(std::string(name_of(next.kind)) + " authority activated", {{"local_authority_id", next.id}});
  return load_active(next.kind);
}

Result<void> Authorities::maintain() {
  STEEPLE_CHECK(maintain(AuthorityKind::kX509));
  STEEPLE_CHECK(maintain(AuthorityKind::kJwt));
  return prune();
}

Result<void> Authorities::maintain(AuthorityKind kind) {
  const AuthorityRecord& active = *newest(kind, AuthorityStatus::kActive);
  seconds lifetime(active.not_after - active.not_before);
  seconds left(active.not_after - unix_seconds(clock_.wall_now()));
  if (left > prepare_threshold(lifetime)) return {};
  bool due = left <= activation_threshold(lifetime);
  const AuthorityRecord* prepared = newest(kind, AuthorityStatus::kPrepared);
  if (prepared == nullptr || !keys_.find(prepared->id)) {
    STEEPLE_TRY(next, prepare(kind));
    return due ? activate(std::move(next)) : Result<void>();
  }
  return due ? activate(*prepared) : Result<void>();
}

Result<void> Authorities::prune() {
  std::int64_t limit = unix_seconds(clock_.wall_now() - kPruneAfterExpiry);
  std::vector<std::string> expired;
  std::set<std::string> wanted;
  for (const AuthorityRecord& authority : all()) {
    bool drop = authority.not_after < limit && authority.status != AuthorityStatus::kActive;
    if (drop) expired.push_back(authority.id);
    if (!drop && authority.status != AuthorityStatus::kOld) wanted.insert(authority.id);
  }
  if (!expired.empty()) {
    STEEPLE_CHECK(datastore_.write([&]() -> Result<void> {
      for (const std::string& id : expired) STEEPLE_CHECK(datastore_.authorities().erase(id));
      return datastore_.authorities().bump_sequence_number();
    }));
  }
  return keys_.keep_only(wanted);
}

Result<AuthorityRecord> Authorities::activate(AuthorityKind kind, const std::string& id) {
  const AuthorityRecord* known = find(kind, id);
  if (id.empty()) return refused("no authority ID provided");
  if (known == nullptr || known->status != AuthorityStatus::kPrepared) return refused("unexpected authority ID");
  AuthorityRecord next = *known;
  STEEPLE_CHECK(activate(next));
  next.status = AuthorityStatus::kActive;
  return next;
}

// Any old authority may be tainted, where SPIRE knows only the latest one.
Result<AuthorityRecord> Authorities::taint(AuthorityKind kind, const std::string& id) {
  const AuthorityRecord* known = find(kind, id);
  if (id.empty()) return refused("no authority ID provided");
  if (known == nullptr) return refused("unexpected authority ID");
  if (known->status == AuthorityStatus::kActive) return refused("unable to taint current local authority");
  if (known->status != AuthorityStatus::kOld) return refused("only Old local authorities can be tainted");
  if (known->tainted) {
    return refused(kind == AuthorityKind::kX509 ? "root CA is already tainted" : "key is already tainted");
  }
  AuthorityRecord tainted = *known;
  tainted.tainted = true;
  STEEPLE_CHECK(datastore_.write([&]() -> Result<void> {
    STEEPLE_CHECK(datastore_.authorities().update(tainted));
    return datastore_.authorities().bump_sequence_number();
  }));
  log_.info(std::string(name_of(kind)) + " authority tainted successfully", {{"local_authority_id", id}});
  return tainted;
}

Result<void> Authorities::check_revocable(AuthorityKind kind, const std::string& id) const {
  const bool x509 = kind == AuthorityKind::kX509;
  const AuthorityRecord* known = find(kind, id);
  auto invalid = [](std::string_view why) { return refused("invalid authority ID: " + std::string(why)); };
  if (id.empty()) return invalid("no authority ID provided");
  if (known != nullptr && known->status == AuthorityStatus::kActive) return invalid("unable to use current authority");
  if (x509 && (known == nullptr || known->status != AuthorityStatus::kOld)) {
    return invalid("only Old local authority can be revoked");
  }
  if (known == nullptr) return invalid("no JWT authority found with provided authority ID");
  if (known->status == AuthorityStatus::kPrepared) return invalid("unable to use a prepared key");
  if (known->tainted) return {};
  return refused(x509 ? "it is not possible to revoke an untainted root CA"
                      : "it is not possible to revoke an untainted key");
}

Result<AuthorityRecord> Authorities::revoke(AuthorityKind kind, const std::string& id) {
  STEEPLE_CHECK(check_revocable(kind, id));
  AuthorityRecord revoked = *find(kind, id);
  STEEPLE_CHECK(datastore_.write([&]() -> Result<void> {
    STEEPLE_CHECK(datastore_.authorities().erase(id));
    return datastore_.authorities().bump_sequence_number();
  }));
  log_.info(std::string(name_of(kind)) + " authority revoked successfully", {{"local_authority_id", id}});
  STEEPLE_CHECK(prune());
  return revoked;
}

}  // namespace steeple::devserver
