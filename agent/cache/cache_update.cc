// A sync pass's result goes into the cache (server-sync 4.3) and to the subscribers it concerns (endpoints 1.10).
#include <algorithm>
#include <unordered_set>

#include "agent/cache/x509_cache_impl.h"

namespace steeple::agent {
namespace {

template <class T>
std::size_t count_missing(const T& from, const T& in) {
  return static_cast<std::size_t>(std::count_if(
      from.begin(), from.end(), [&](const auto& item) { return !std::binary_search(in.begin(), in.end(), item); }));
}

void add_count(runtime::LogFields& fields, std::string_view key, std::size_t count) {
  if (count != 0) fields.emplace_back(key, count);
}

runtime::LogFields entry_fields(const RegistrationEntry& entry) {
  runtime::LogFields fields;
  fields.emplace_back("entry", entry.id);
  fields.emplace_back("spiffe_id", entry.spiffe_id.text());
  return fields;
}

bool federates_with_one_of(const RegistrationEntry& entry, const std::vector<TrustDomain>& sorted) {
  return std::any_of(entry.federates_with.begin(), entry.federates_with.end(), [&](const TrustDomain& trust_domain) {
    return std::binary_search(sorted.begin(), sorted.end(), trust_domain);
  });
}

}  // namespace

BundleChanges X509Cache::Impl::update(const BundleSet& bundles, const EntryDiff& diff) {
  BundleChanges changes = bundle_cache_.update(bundles);
  if (!changes.empty() || !diff.empty()) groups_.drop_resting();
  if (!changes.empty()) groups_.for_each([](SubscriberGroup& group) { group.snapshot.reset(); });
  for (const SharedEntry& entry : diff.removed) remove_entry(entry);
  std::size_t outdated = 0;
  for (const EntryChange& change : diff.updated) {
    change_entry(change, federates_with_one_of(*change.after, changes.federated_changed), outdated);
  }
  for (const SharedEntry& entry : diff.created) create_entry(entry);
  if (!changes.federated_changed.empty()) touch_federating_entries(diff, changes);
  evict();
  prefetch();
  if (outdated != 0) {
    log_.debug("Updating SVIDs with outdated attributes in cache", {{"outdated_svids", outdated}});
  }
  if (changes.own_changed) groups_.for_each([this](SubscriberGroup& group) { notify_later(group); });
  flush_notifications();
  return changes;
}

void X509Cache::Impl::remove_entry(const SharedEntry& entry) {
  CacheRecord* record = find(entry->id);
  if (record == nullptr) return;
  log_.debug("Entry removed", entry_fields(*record->entry));
  ++entries_removed_;
  notify_groups_of(*record);
  index_.remove(*entry);
  while (!record->groups.empty()) unlink(*record, *record->groups.back());
  queue_.drop(*record);
  release_svid(*record);
  records_.erase(entry->id);
}

void X509Cache::Impl::create_entry(const SharedEntry& entry) {
  auto [slot, is_new] = records_.try_emplace(entry->id, std::make_unique<CacheRecord>(entry));
  STEEPLE_ASSERT(is_new);
  CacheRecord& record = *slot->second;
  index_.add(entry);
  for (SubscriberGroup* group : groups_.supersets_of(entry->selectors)) link(record, *group);
  place(record);
  notify_groups_of(record);
  runtime::LogFields fields = entry_fields(*entry);
  add_count(fields, "selectors_added", entry->selectors.size());
  add_count(fields, "fed_add", entry->federates_with.size());
  log_.debug("Entry created", std::move(fields));
  ++entries_added_;
}

bool X509Cache::Impl::is_outdated(const RegistrationEntry& before, const RegistrationEntry& after) const {
  return before.revision_number != after.revision_number || before.created_at != after.created_at ||
         before.spiffe_id != after.spiffe_id;
}

void X509Cache::Impl::change_entry(const EntryChange& change, bool federation_touched, std::size_t& outdated) {
  CacheRecord* found = find(change.after->id);
  if (found == nullptr) return create_entry(change.after);
  CacheRecord& record = *found;
  const SharedEntry before = std::exchange(record.entry, change.after);
  const RegistrationEntry& after = *change.after;
  const bool selectors_changed = before->selectors != after.selectors;
  const bool federation_changed = before->federates_with != after.federates_with;
  index_.add(change.after);
  if (selectors_changed) {
    notify_groups_of(record);
    while (!record.groups.empty()) unlink(record, *record.groups.back());
    for (SubscriberGroup* group : groups_.supersets_of(after.selectors)) link(record, *group);
  }
  for (SubscriberGroup* group : record.groups) group->snapshot.reset();
  if (selectors_changed || federation_changed || federation_touched) {
    notify_groups_of(record);
    runtime::LogFields fields = entry_fields(after);
    add_count(fields, "selectors_added", count_missing(after.selectors, before->selectors));
    add_count(fields, "selectors_removed", count_missing(before->selectors, after.selectors));
    add_count(fields, "fed_add", count_missing(after.federates_with, before->federates_with));
    add_count(fields, "fed_rem", count_missing(before->federates_with, after.federates_with));
    log_.debug("Entry updated", std::move(fields));
    ++entries_updated_;
  }
  if (is_outdated(*before, after)) {
    ++outdated;
    if (record.state == MintState::kRetrying) queue_.drop(record);  // a new entry deserves a new try
    if (record.svid) queue_.want(record, MintReason::kOutdated);
  }
  place(record);
}

void X509Cache::Impl::touch_federating_entries(const EntryDiff& diff, const BundleChanges& changes) {
  std::unordered_set<std::string_view> done;
  for (const SharedEntry& entry : diff.created) done.insert(entry->id);
  for (const EntryChange& change : diff.updated) done.insert(change.after->id);
  for (auto& [id, record] : records_) {
    if (done.contains(id) || !federates_with_one_of(*record->entry, changes.federated_changed)) continue;
    notify_groups_of(*record);
    log_.debug("Entry updated", entry_fields(*record->entry));
    ++entries_updated_;
  }
}

void X509Cache::Impl::notify_later(SubscriberGroup& group) {
  if (std::exchange(group.notify_pending, true)) return;
  to_notify_.push_back(&group);
}

void X509Cache::Impl::notify_groups_of(const CacheRecord& record) {
  for (SubscriberGroup* group : record.groups) notify_later(*group);
}

void X509Cache::Impl::flush_notifications() {
  for (SubscriberGroup* group : to_notify_) {
    group->notify_pending = false;
    notify(*group);
  }
  to_notify_.clear();
}

}  // namespace steeple::agent
