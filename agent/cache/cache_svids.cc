// SVIDs in the cache: stored, due, expired, evicted, prefetched (server-sync 4.3 to 4.5).
#include "agent/cache/x509_cache_impl.h"
#include "runtime/core/go_text.h"

namespace steeple::agent {

// Brings a record to the lists it belongs in, after its subscribers or its SVID changed.
void X509Cache::Impl::place(CacheRecord& record) {
  const bool active = !record.groups.empty();
  if (!record.svid && active) queue_.want(record, MintReason::kMissing);
  // Nobody waits for it any more, and it was not to be signed in advance.
  const bool pointless = !record.svid && !active && record.entry->disable_x509_svid_prefetch;
  if (pointless && record.state != MintState::kOut) queue_.drop(record);
  // Such an entry is signed for who asks and kept no longer than that.
  const bool kept = active || !record.entry->disable_x509_svid_prefetch || record.state == MintState::kOut;
  if (record.svid && !kept) {
    queue_.drop(record);
    release_svid(record);
  }
  set_evictable(record, record.svid && !active);
  const bool prefetchable =
      !record.svid && !active && record.state == MintState::kIdle && !record.entry->disable_x509_svid_prefetch;
  if (prefetchable == record.prefetch_hook.is_linked()) return;
  if (prefetchable) {
    prefetchable_.push_back(record);
  } else {
    record.prefetch_hook.unlink();
  }
}

void X509Cache::Impl::set_evictable(CacheRecord& record, bool evictable) {
  if (record.evictable == evictable) return;
  record.evictable = evictable;
  if (evictable) {
    evictable_.emplace(record.last_access, &record);
  } else {
    evictable_.erase({record.last_access, &record});
  }
}

std::vector<WantedSvid> X509Cache::Impl::take_wanted(MintPriority least, std::size_t max, runtime::SteadyTime now) {
  std::vector<WantedSvid> wanted;
  for (CacheRecord* record : queue_.take(least, max, now)) {
    std::optional<runtime::WallTime> expires_at;
    if (record->svid && record->reason != MintReason::kTainted) expires_at = record->svid->not_after();
    wanted.emplace_back(record->entry, expires_at, priority_of(*record));
  }
  return wanted;
}

void X509Cache::Impl::put_svid(const SharedEntry& minted_for, SharedX509Svid svid, runtime::WallTime rotate_at) {
  CacheRecord* record = find(minted_for->id);
  if (record == nullptr) {
    log_.error("Entry not found", {{"entry_id", minted_for->id}});
    return;
  }
  const bool changed_meanwhile = record->entry != minted_for && is_outdated(*minted_for, *record->entry);
  queue_.drop(*record);
  if (record->entry->spiffe_id == svid->id()) {
    store(*record, std::move(svid), rotate_at);
    log_.debug("SVID updated", {{"entry", record->entry->id}, {"spiffe_id", record->entry->spiffe_id.text()}});
    for (SubscriberGroup* group : record->groups) notify(*group);
  }
  if (changed_meanwhile) queue_.want(*record, record->svid ? MintReason::kOutdated : MintReason::kMissing);
  place(*record);
  evict();
}

void X509Cache::Impl::mint_failed(const std::string& entry_id, runtime::SteadyTime retry_at) {
  CacheRecord* record = find(entry_id);
  if (record == nullptr) return;
  queue_.failed(*record, retry_at);
  place(*record);
}

void X509Cache::Impl::store(CacheRecord& record, SharedX509Svid svid, runtime::WallTime rotate_at) {
  groups_.drop_resting();
  if (!record.svid) {
    ++svids_;
    for (SubscriberGroup* group : record.groups) --group->missing;
  }
  if (std::exchange(record.svid_expired, false)) --expired_;
  forget_expiry(record);
  record.svid = std::move(svid);
  expiries_.insert(record.svid->not_after());
  set_due(record, rotate_at);
}

void X509Cache::Impl::release_svid(CacheRecord& record) {
  clear_due(record);
  if (!record.svid) return;
  groups_.drop_resting();
  if (std::exchange(record.svid_expired, false)) --expired_;
  set_evictable(record, false);
  forget_expiry(record);
  record.svid.reset();
  --svids_;
  for (SubscriberGroup* group : record.groups) {
    ++group->missing;
    group->snapshot.reset();
  }
}

void X509Cache::Impl::forget_expiry(const CacheRecord& record) {
  if (!record.svid) return;
  const auto held = expiries_.find(record.svid->not_after());
  STEEPLE_ASSERT(held != expiries_.end());
  expiries_.erase(held);
}

void X509Cache::Impl::set_due(CacheRecord& record, runtime::WallTime when) {
  clear_due(record);
  record.due = due_.emplace(when, &record);
  record.has_due = true;
}

void X509Cache::Impl::clear_due(CacheRecord& record) {
  if (std::exchange(record.has_due, false)) due_.erase(record.due);
}

std::optional<runtime::WallTime> X509Cache::Impl::next_due() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

// Each SVID is due twice: to be rotated, and, if that has not happened by then, to be missed.
std::size_t X509Cache::Impl::mark_due(runtime::WallTime now) {
  std::size_t expiring = 0;
  while (!due_.empty() && due_.begin()->first <= now) {
    CacheRecord& record = *due_.begin()->second;
    const bool expired = record.svid->expired(now);
    if (record.reason == MintReason::kNone) {
      ++expiring;
      queue_.want(record, MintReason::kExpiring);
    }
    if (expired) {
      mark_expired(record);
    } else {
      set_due(record, record.svid->not_after());
    }
  }
  return expiring;
}

void X509Cache::Impl::mark_expired(CacheRecord& record) {
  clear_due(record);
  record.svid_expired = true;
  ++expired_;
  log_.warning("X509-SVID has expired and is still served; the server has not renewed it",
               {{"entry_id", record.entry->id},
                {"spiffe_id", record.entry->spiffe_id.text()},
                {"expires_at", runtime::rfc3339(record.svid->not_after())}});
}

std::vector<std::string> X509Cache::Impl::entries_with_svid() const {
  std::vector<std::string> ids;
  ids.reserve(svids_);
  for (const auto& [id, record] : records_) {
    if (record->svid) ids.push_back(id);
  }
  return ids;
}

void X509Cache::Impl::evict() {
  while (svids_ > svids_max_ && !evictable_.empty()) {
    CacheRecord& record = *evictable_.begin()->second;
    log_.debug("Removing SVID record", {{"record_id", record.entry->id}, {"record_timestamp", record.last_access}});
    release_svid(record);
    queue_.drop(record);
    place(record);
  }
}

void X509Cache::Impl::prefetch() {
  while (!prefetchable_.empty() && svids_ + queue_.total() < svids_max_) {
    CacheRecord& record = prefetchable_.front();
    queue_.want(record, MintReason::kMissing);
    place(record);
  }
}

}  // namespace steeple::agent
