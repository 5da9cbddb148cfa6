#include "attestation/sigstore/tuf/tuf_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::WallTime;

namespace {

Error refused(std::string text) { return Error(ErrorCode::kUnauthenticated, std::move(text)); }

Error low_version(std::int64_t actual, std::int64_t current) {
  return refused(fmt::format("version {} is lower than current version {}", actual, current));
}

Error not_decoded(TufRole role, const Error& cause) {
  return cause.with_context("tuf: failed to decode " + tuf_file_name(role));
}

Error not_downloaded(TufRole role, const Error& cause) {
  return cause.with_context("tuf: failed to download " + tuf_file_name(role));
}

Result<void> check_expiry(const TufMetadata& metadata, WallTime now) {
  if (now < metadata.expires) return {};
  return refused("expired at " + runtime::go_time(metadata.expires));
}

Result<void> check_type(const TufMetadata& metadata, TufRole role) {
  if (metadata.type == to_string(role)) return {};
  return refused("tuf: meta file has wrong type");
}

Result<void> check_file(const std::string& json, const TufFile& wanted) {
  if (wanted.length != 0 && json.size() != wanted.length) {
    return refused(fmt::format("wrong length, expected {} got {}", wanted.length, json.size()));
  }
  STEEPLE_CHECK(check_tuf_hashes(json, wanted.hashes));
  STEEPLE_TRY(metadata, parse_tuf_metadata(json));
  if (metadata.version == wanted.version) return {};
  return refused(fmt::format("wrong version, expected {} got {}", wanted.version, metadata.version));
}

TufFile file_of(const TufMetadata& metadata, TufRole role) {
  const auto at = metadata.files.find(tuf_file_name(role));
  return at == metadata.files.end() ? TufFile{} : at->second;
}

}  // namespace

Result<void> verify_tuf_signatures(const TufMetadata& metadata, const TufMetadata& root, TufRole role) {
  if (metadata.signatures.empty()) return refused("tuf: data has no signatures");
  const auto keys = root.roles.find(std::string(to_string(role)));
  if (keys == root.roles.end()) return refused(fmt::format("tuf: unknown role \"{}\"", to_string(role)));
  std::set<runtime::Bytes> signers;
  for (const TufSignature& signature : metadata.signatures) {
    const auto key = root.keys.find(signature.key_id);
    if (!keys->second.key_ids.contains(signature.key_id) || key == root.keys.end()) continue;
    if (signers.contains(key->second.spki)) continue;
    if (has_signed(key->second, metadata.signed_bytes, signature.signature)) signers.insert(key->second.spki);
  }
  if (static_cast<std::int64_t>(signers.size()) >= keys->second.threshold) return {};
  return refused("tuf: valid signatures did not meet threshold");
}

Result<TufMetadata> TufClient::trusted(TufRole role, const std::string& json) const {
  STEEPLE_TRY(metadata, parse_tuf_metadata(json));
  STEEPLE_CHECK(verify_tuf_signatures(metadata, root_, role));
  return metadata;
}

Result<TufMetadata> TufClient::current(TufRole role, const std::string& json, std::int64_t version_min,
                                       WallTime now) const {
  STEEPLE_TRY(metadata, trusted(role, json));
  STEEPLE_CHECK(check_type(metadata, role));
  if (metadata.version < version_min) return low_version(metadata.version, version_min);
  STEEPLE_CHECK(check_expiry(metadata, now));
  return metadata;
}

Result<void> TufClient::load_root(const std::string& json) {
  STEEPLE_TRY(root, parse_tuf_metadata(json));
  STEEPLE_CHECK(verify_tuf_signatures(root, root, TufRole::kRoot));
  STEEPLE_CHECK(check_type(root, TufRole::kRoot));
  if (root.version < 0) return low_version(root.version, 0);
  root_ = std::move(root);
  return {};
}

Result<TufClient> TufClient::open(TufStore local, std::string_view root) {
  TufClient client(std::move(local));
  std::string& first = client.store_[tuf_file_name(TufRole::kRoot)];
  if (first.empty()) first = root;
  STEEPLE_CHECK(
      runtime::with_context(client.load_root(first), "unable to initialize client, local cache may be corrupt"));
  client.first_roles_ = client.root_.roles;
  return client;
}

bool TufClient::is_stale(WallTime now) const {
  const auto at = store_.find(tuf_file_name(TufRole::kTimestamp));
  if (at == store_.end()) return true;
  const auto timestamp = parse_tuf_metadata(at->second);
  return !timestamp || !check_expiry(*timestamp, now);
}

std::string TufClient::next_root_name() const { return fmt::format("{}.root.json", root_.version + 1); }

Result<void> TufClient::take_root(std::string json) {
  STEEPLE_TRY(next, parse_tuf_metadata(json));
  STEEPLE_CHECK(verify_tuf_signatures(next, root_, TufRole::kRoot));
  STEEPLE_CHECK(verify_tuf_signatures(next, next, TufRole::kRoot));
  STEEPLE_CHECK(check_type(next, TufRole::kRoot));
  if (next.version != root_.version + 1) {
    return refused(fmt::format("version {} does not match the expected version {}", next.version, root_.version + 1));
  }
  root_ = std::move(next);
  store_[tuf_file_name(TufRole::kRoot)] = std::move(json);
  return {};
}

// Where a threshold of a role's keys is gone, what they signed counts for nothing: a version that a thief of the keys
// has set too high must not stay in the way (5.3.11).
void TufClient::forget_rotated() {
  const std::pair<TufRole, std::vector<TufRole>> rules[] = {
      {TufRole::kTimestamp, {TufRole::kTimestamp}},
      {TufRole::kSnapshot, {TufRole::kTimestamp, TufRole::kSnapshot}},
      {TufRole::kTargets, {TufRole::kSnapshot, TufRole::kTargets}}};
  for (const auto& [role, forgotten] : rules) {
    const auto before = first_roles_.find(std::string(to_string(role)));
    const auto after = root_.roles.find(std::string(to_string(role)));
    if (before == first_roles_.end() || after == root_.roles.end()) continue;
    const auto gone = std::count_if(before->second.key_ids.begin(), before->second.key_ids.end(),
                                    [&](const std::string& id) { return !after->second.key_ids.contains(id); });
    if (gone < before->second.threshold) continue;
    for (TufRole name : forgotten) store_.erase(tuf_file_name(name));
  }
}

Result<void> TufClient::finish_roots(WallTime now) {
  if (auto good = check_expiry(root_, now); !good) return not_decoded(TufRole::kRoot, good.error());
  forget_rotated();
  // What does not hold any more is as good as not there.
  static_cast<void>(load_local());
  return {};
}

// Reads all that can be believed; says what could not.
Result<void> TufClient::load_local() {
  Result<void> outcome;
  const auto read = [&](TufRole role) -> std::optional<TufMetadata> {
    const auto at = store_.find(tuf_file_name(role));
    if (at == store_.end()) return std::nullopt;
    auto metadata = trusted(role, at->second);
    if (metadata) return std::move(*metadata);
    outcome = std::move(metadata.error());
    return std::nullopt;
  };
  if (const auto timestamp = read(TufRole::kTimestamp)) timestamp_version_ = timestamp->version;
  snapshot_ = read(TufRole::kSnapshot);
  if (snapshot_) snapshot_version_ = snapshot_->version;
  auto targets = read(TufRole::kTargets);
  targets_local_ = targets.has_value();
  if (targets) {
    targets_version_ = targets->version;
    targets_ = std::move(targets->targets);
  }
  return outcome;
}

Result<bool> TufClient::take_timestamp(std::string json, WallTime now) {
  auto timestamp = current(TufRole::kTimestamp, json, timestamp_version_, now);
  if (!timestamp) return not_decoded(TufRole::kTimestamp, timestamp.error());
  if (timestamp->version == timestamp_version_) return false;
  snapshot_file_ = file_of(*timestamp, TufRole::kSnapshot);
  if (snapshot_file_.version < snapshot_version_) return low_version(snapshot_file_.version, snapshot_version_);
  timestamp_version_ = timestamp->version;
  snapshot_version_ = snapshot_file_.version;
  store_[tuf_file_name(TufRole::kTimestamp)] = std::move(json);
  return true;
}

Result<void> TufClient::check_snapshot(const TufMetadata& snapshot) const {
  const std::int64_t targets_version = file_of(snapshot, TufRole::kTargets).version;
  if (targets_version < targets_version_) return low_version(targets_version, targets_version_);
  if (!snapshot_) return {};
  for (const auto& [name, before] : snapshot_->files) {
    const auto at = snapshot.files.find(name);
    if (at == snapshot.files.end()) return refused("tuf: missing previously listed targets metadata file");
    if (at->second.version < before.version) return low_version(at->second.version, before.version);
  }
  return {};
}

Result<void> TufClient::take_snapshot(std::string json, WallTime now) {
  if (auto good = check_file(json, snapshot_file_); !good) return not_downloaded(TufRole::kSnapshot, good.error());
  auto snapshot = current(TufRole::kSnapshot, json, snapshot_version_, now);
  if (!snapshot) return not_decoded(TufRole::kSnapshot, snapshot.error());
  STEEPLE_CHECK(check_snapshot(*snapshot));
  targets_file_ = file_of(*snapshot, TufRole::kTargets);
  targets_version_ = targets_file_.version;
  store_[tuf_file_name(TufRole::kSnapshot)] = std::move(json);
  return {};
}

bool TufClient::wants_targets() const {
  if (!targets_local_) return true;
  const auto at = store_.find(tuf_file_name(TufRole::kTargets));
  return at == store_.end() || !check_file(at->second, targets_file_);
}

Result<void> TufClient::take_targets(std::string json, WallTime now) {
  if (auto good = check_file(json, targets_file_); !good) return not_downloaded(TufRole::kTargets, good.error());
  auto targets = current(TufRole::kTargets, json, targets_version_, now);
  if (!targets) return not_decoded(TufRole::kTargets, targets.error());
  targets_ = std::move(targets->targets);
  store_[tuf_file_name(TufRole::kTargets)] = std::move(json);
  return {};
}

TufClient::Wanted TufClient::wanted(TufRole role, const TufFile& file) const {
  std::string name = tuf_file_name(role);
  if (root_.consistent_snapshot) name = fmt::format("{}.{}", file.version, name);
  const bool bounded = file.length != 0 && file.length < kTufMetadataBytesMax;
  return {std::move(name), bounded ? static_cast<std::size_t>(file.length) : kTufMetadataBytesMax};
}

TufClient::Wanted TufClient::wanted_snapshot() const { return wanted(TufRole::kSnapshot, snapshot_file_); }
TufClient::Wanted TufClient::wanted_targets() const { return wanted(TufRole::kTargets, targets_file_); }

Result<void> TufClient::verify(WallTime now) {
  if (auto good = check_expiry(root_, now); !good) return std::move(good.error());
  STEEPLE_CHECK(load_local());
  const auto snapshot_at = store_.find(tuf_file_name(TufRole::kSnapshot));
  if (snapshot_at == store_.end()) return refused("tuf: no snapshot stored locally");
  auto snapshot = current(TufRole::kSnapshot, snapshot_at->second, snapshot_version_, now);
  if (!snapshot) return not_decoded(TufRole::kSnapshot, snapshot.error());
  if (!snapshot->files.contains(tuf_file_name(TufRole::kTargets))) {
    return refused(fmt::format("tuf: role targets not in snapshot version {}", snapshot->version));
  }
  targets_file_ = file_of(*snapshot, TufRole::kTargets);
  if (wants_targets()) return refused("tuf: targets.json is not the one of the snapshot");
  auto targets = current(TufRole::kTargets, store_.at(tuf_file_name(TufRole::kTargets)), targets_file_.version, now);
  if (!targets) return not_decoded(TufRole::kTargets, targets.error());
  return {};
}

}  // namespace steeple::attestation
