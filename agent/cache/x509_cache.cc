#include "agent/cache/x509_cache.h"

#include <algorithm>

#include "agent/cache/x509_cache_impl.h"

namespace steeple::agent {
namespace {

// A few words per subscriber; what it will read belongs to its group.
class CacheSubscription final : public Subscription {
 public:
  CacheSubscription(X509Cache::Impl& cache, SubscriberGroup& group) : cache_(cache), group_(group) {}
  ~CacheSubscription() override { cache_.unsubscribe(group_, awaiting_); }

  runtime::Task<runtime::Result<std::shared_ptr<const WorkloadUpdate>>> next(runtime::Deadline deadline,
                                                                             runtime::StopToken stop) override {
    while (awaiting_ ? group_.missing != 0 : seen_ == group_.version) {
      STEEPLE_CO_CHECK(co_await group_.changed.wait(deadline, stop));
    }
    seen_ = group_.version;
    if (std::exchange(awaiting_, false)) cache_.first_delivered(group_);
    co_return cache_.snapshot(group_);
  }

 private:
  X509Cache::Impl& cache_;
  SubscriberGroup& group_;
  std::uint64_t seen_ = 0;
  bool awaiting_ = true;
};

auto position_of(std::vector<CacheRecord*>& records, const std::string& id) {
  return std::lower_bound(records.begin(), records.end(), id, [](const CacheRecord* record, const std::string& wanted) {
    return record->entry->id < wanted;
  });
}

}  // namespace

X509Cache::Impl::Impl(runtime::Loop& loop, const runtime::Clock& clock, std::size_t svids_max, runtime::Logger log)
    : clock_(clock),
      svids_max_(svids_max == 0 ? kX509SvidCacheMaxDefault : svids_max),
      log_(std::move(log)),
      bundle_cache_(log_),
      groups_(loop) {}

X509Cache::Impl::~Impl() {
  groups_.drop_resting();
  STEEPLE_ASSERT(groups_.empty());
}

std::unique_ptr<Subscription> X509Cache::Impl::subscribe(attestation::Selectors selectors) {
  SubscriberGroup* group = selectors.empty() ? &groups_.create_apart() : groups_.find(selectors);
  if (group == nullptr) {
    group = &groups_.create(std::move(selectors));
    for (const SharedEntry& entry : index_.match(group->selectors)) link(*find(entry->id), *group);
  } else if (groups_.wake(*group)) {
    wake(*group);
  }
  ++group->subscribers;
  ++subscribers_;
  if (group->awaiting++ == 0) set_awaiting(*group, true);
  touch(*group);
  return std::make_unique<CacheSubscription>(*this, *group);
}

void X509Cache::Impl::first_delivered(SubscriberGroup& group) {
  if (--group.awaiting == 0) set_awaiting(group, false);
}

void X509Cache::Impl::unsubscribe(SubscriberGroup& group, bool awaiting) {
  if (awaiting) first_delivered(group);
  --subscribers_;
  if (--group.subscribers != 0) return;
  if (svids_ <= svids_max_ && may_rest(group)) {
    rest(group);
  } else {
    dissolve(group);
  }
}

// Nothing is lost or kept too long while it rests: all that it served can be served again as it is.
bool X509Cache::Impl::may_rest(const SubscriberGroup& group) {
  const bool served = group.snapshot != nullptr && group.missing == 0 && !group.selectors.empty();
  return served && std::none_of(group.records.begin(), group.records.end(),
                                [](const CacheRecord* record) { return record->entry->disable_x509_svid_prefetch; });
}

void X509Cache::Impl::rest(SubscriberGroup& group) {
  for (CacheRecord* record : group.records) {
    std::erase(record->groups, &group);
    place(*record);
    queue_.reprioritise(*record);
  }
  groups_.rest(group);
}

void X509Cache::Impl::wake(SubscriberGroup& group) {
  for (CacheRecord* record : group.records) {
    record->groups.push_back(&group);
    place(*record);
    queue_.reprioritise(*record);
  }
}

void X509Cache::Impl::dissolve(SubscriberGroup& group) {
  while (!group.records.empty()) unlink(*group.records.back(), group);
  groups_.erase(group);
  evict();
}

void X509Cache::Impl::touch(SubscriberGroup& group) {
  ++accesses_;
  for (CacheRecord* record : group.records) {
    record->last_access = accesses_;  // not evictable now: it has a subscriber
  }
}

void X509Cache::Impl::set_awaiting(SubscriberGroup& group, bool awaiting) {
  for (CacheRecord* record : group.records) {
    record->awaiting_groups += awaiting ? 1 : -1;
    queue_.reprioritise(*record);
  }
}

void X509Cache::Impl::link(CacheRecord& record, SubscriberGroup& group) {
  group.records.insert(position_of(group.records, record.entry->id), &record);
  record.groups.push_back(&group);
  if (group.awaiting != 0) ++record.awaiting_groups;
  if (!record.svid) ++group.missing;
  group.snapshot.reset();
  place(record);
  queue_.reprioritise(record);
}

void X509Cache::Impl::unlink(CacheRecord& record, SubscriberGroup& group) {
  group.records.erase(position_of(group.records, record.entry->id));
  std::erase(record.groups, &group);
  if (group.awaiting != 0) --record.awaiting_groups;
  if (!record.svid) --group.missing;
  group.snapshot.reset();
  place(record);
  queue_.reprioritise(record);
}

void X509Cache::Impl::notify(SubscriberGroup& group) {
  ++group.version;
  group.snapshot.reset();
  group.changed.notify();
}

std::shared_ptr<const WorkloadUpdate> X509Cache::Impl::snapshot(SubscriberGroup& group) {
  const bool apart = group.selectors.empty();
  if (group.snapshot && !apart) return group.snapshot;
  std::vector<Identity> identities;
  std::map<TrustDomain, SharedBundle> federated;
  for (const CacheRecord* record : group.records) {
    if (!record->svid) continue;
    identities.emplace_back(record->entry, record->svid);
    for (const TrustDomain& trust_domain : record->entry->federates_with) {
      if (bundles().own() && trust_domain == bundles().own()->trust_domain()) continue;
      SharedBundle bundle = bundles().find(trust_domain);
      if (bundle) {
        federated.emplace(trust_domain, std::move(bundle));
      } else {
        log_.warning("Federated bundle contents missing", {{"entry_id", record->entry->id},
                                                           {"spiffe_id", record->entry->spiffe_id.text()},
                                                           {"federated_bundle", trust_domain.id_string()}});
      }
    }
  }
  std::vector<SharedBundle> federated_list;
  for (auto& [trust_domain, bundle] : federated) federated_list.push_back(std::move(bundle));
  group.snapshot =
      std::make_shared<const WorkloadUpdate>(std::move(identities), bundles().own(), std::move(federated_list));
  return group.snapshot;
}

std::vector<SharedBundle> X509Cache::Impl::bundles_of(const attestation::Selectors& selectors) {
  std::vector<SharedBundle> told;
  if (bundles().own()) told.push_back(bundles().own());
  std::set<TrustDomain> federated;
  for (const SharedEntry& entry : index_.match(selectors)) {
    if (find(entry->id)->svid) federated.insert(entry->federates_with.begin(), entry->federates_with.end());
  }
  for (const TrustDomain& trust_domain : federated) {
    SharedBundle bundle = bundles().find(trust_domain);
    if (bundle && bundle != bundles().own()) told.push_back(std::move(bundle));
  }
  return told;
}

CacheCounts X509Cache::Impl::counts() const {
  CacheCounts counts;
  counts.entries = records_.size();
  counts.svids = svids_;
  counts.wanted = queue_.total();
  counts.expired = expired_;
  counts.subscribers = subscribers_;
  if (!expiries_.empty()) counts.nearest_expiry = *expiries_.begin();
  counts.entries_added = entries_added_;
  counts.entries_updated = entries_updated_;
  counts.entries_removed = entries_removed_;
  return counts;
}

CacheRecord* X509Cache::Impl::find(const std::string& entry_id) {
  auto found = records_.find(entry_id);
  return found == records_.end() ? nullptr : found->second.get();
}

X509Cache::X509Cache(runtime::Loop& loop, const runtime::Clock& clock, std::size_t svids_max, runtime::Logger log)
    : impl_(std::make_unique<Impl>(loop, clock, svids_max, std::move(log))) {}
X509Cache::~X509Cache() = default;
std::unique_ptr<Subscription> X509Cache::subscribe(attestation::Selectors selectors) {
  return impl_->subscribe(std::move(selectors));
}
bool X509Cache::any_match(const attestation::Selectors& selectors) const { return impl_->index().any_match(selectors); }
std::vector<SharedEntry> X509Cache::matching_entries(const attestation::Selectors& selectors) const {
  return impl_->index().match(selectors);
}
std::vector<SharedBundle> X509Cache::bundles_of(const attestation::Selectors& selectors) const {
  return impl_->bundles_of(selectors);
}
const BundleSet& X509Cache::bundles() const { return impl_->bundles(); }
CacheCounts X509Cache::counts() const { return impl_->counts(); }
BundleChanges X509Cache::update(const BundleSet& bundles, const EntryDiff& workload_entries) {
  return impl_->update(bundles, workload_entries);
}
void X509Cache::on_wanted(std::function<void(MintPriority)> action) { impl_->queue().on_wanted(std::move(action)); }
std::vector<WantedSvid> X509Cache::take_wanted(MintPriority least, std::size_t max, runtime::SteadyTime now) {
  return impl_->take_wanted(least, max, now);
}
bool X509Cache::has_wanted(MintPriority least, runtime::SteadyTime now) const { return impl_->queue().any(least, now); }
std::size_t X509Cache::wanted_count() const { return impl_->queue().waiting(); }
std::optional<runtime::SteadyTime> X509Cache::next_retry() const { return impl_->queue().next_retry(); }
void X509Cache::put_svid(const SharedEntry& minted_for, SharedX509Svid svid, runtime::WallTime rotate_at) {
  impl_->put_svid(minted_for, std::move(svid), rotate_at);
}
void X509Cache::mint_failed(const std::string& entry_id, runtime::SteadyTime retry_at) {
  impl_->mint_failed(entry_id, retry_at);
}
std::optional<runtime::WallTime> X509Cache::next_due() const { return impl_->next_due(); }
std::size_t X509Cache::mark_due(runtime::WallTime now) { return impl_->mark_due(now); }
std::vector<std::string> X509Cache::entries_with_svid() const { return impl_->entries_with_svid(); }
SharedX509Svid X509Cache::svid_of(const std::string& entry_id) const {
  const CacheRecord* record = impl_->find(entry_id);
  return record ? record->svid : nullptr;
}
void X509Cache::mark_tainted(const std::string& entry_id) {
  CacheRecord* record = impl_->find(entry_id);
  if (record && record->svid) impl_->queue().want(*record, MintReason::kTainted);
}

}  // namespace steeple::agent
