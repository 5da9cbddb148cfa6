// The X.509 cache's state. Its functions are in three files: x509_cache.cc (readers and subscriptions), cache_update.cc
// (a sync pass's result) and cache_svids.cc (signing, rotation, eviction). Inside agent/cache only.
#pragma once

#include <boost/intrusive/list.hpp>
#include <set>
#include <unordered_map>

#include "agent/cache/mint_queue.h"
#include "agent/cache/subscriber_groups.h"
#include "agent/cache/x509_cache.h"

namespace steeple::agent {

class X509Cache::Impl {
 public:
  Impl(runtime::Loop& loop, const runtime::Clock& clock, std::size_t svids_max, runtime::Logger log);
  ~Impl();

  // readers
  std::unique_ptr<Subscription> subscribe(attestation::Selectors selectors);
  const EntryIndex& index() const { return index_; }
  std::vector<SharedBundle> bundles_of(const attestation::Selectors& selectors);
  const BundleSet& bundles() const { return bundle_cache_.bundles(); }
  CacheCounts counts() const;
  std::shared_ptr<const WorkloadUpdate> snapshot(SubscriberGroup& group);
  void first_delivered(SubscriberGroup& group);
  void unsubscribe(SubscriberGroup& group, bool awaiting);

  // a sync pass
  BundleChanges update(const BundleSet& bundles, const EntryDiff& diff);

  // signing
  MintQueue& queue() { return queue_; }
  const MintQueue& queue() const { return queue_; }
  std::vector<WantedSvid> take_wanted(MintPriority least, std::size_t max, runtime::SteadyTime now);
  void put_svid(const SharedEntry& minted_for, SharedX509Svid svid, runtime::WallTime rotate_at);
  void mint_failed(const std::string& entry_id, runtime::SteadyTime retry_at);
  std::optional<runtime::WallTime> next_due() const;
  std::size_t mark_due(runtime::WallTime now);
  std::vector<std::string> entries_with_svid() const;
  CacheRecord* find(const std::string& entry_id);

 private:
  using PrefetchList = boost::intrusive::list<
      CacheRecord,
      boost::intrusive::member_hook<CacheRecord, decltype(CacheRecord::prefetch_hook), &CacheRecord::prefetch_hook>,
      boost::intrusive::constant_time_size<false>>;

  // cache_update.cc
  void remove_entry(const SharedEntry& entry);
  void create_entry(const SharedEntry& entry);
  void change_entry(const EntryChange& change, bool federation_touched, std::size_t& outdated);
  bool is_outdated(const RegistrationEntry& before, const RegistrationEntry& after) const;
  void touch_federating_entries(const EntryDiff& diff, const BundleChanges& changes);
  void notify_later(SubscriberGroup& group);
  void notify_groups_of(const CacheRecord& record);
  void flush_notifications();

  // x509_cache.cc
  void link(CacheRecord& record, SubscriberGroup& group);
  void unlink(CacheRecord& record, SubscriberGroup& group);
  void set_awaiting(SubscriberGroup& group, bool awaiting);
  void touch(SubscriberGroup& group);
  void wake(SubscriberGroup& group);
  static bool may_rest(const SubscriberGroup& group);
  void rest(SubscriberGroup& group);
  void dissolve(SubscriberGroup& group);
  static void notify(SubscriberGroup& group);

  // cache_svids.cc
  void place(CacheRecord& record);
  void store(CacheRecord& record, SharedX509Svid svid, runtime::WallTime rotate_at);
  void release_svid(CacheRecord& record);
  void forget_expiry(const CacheRecord& record);
  void set_due(CacheRecord& record, runtime::WallTime when);
  void clear_due(CacheRecord& record);
  void set_evictable(CacheRecord& record, bool evictable);
  void mark_expired(CacheRecord& record);
  void evict();
  void prefetch();

  const runtime::Clock& clock_;
  std::size_t svids_max_;
  runtime::Logger log_;
  BundleCache bundle_cache_;
  EntryIndex index_;
  std::unordered_map<std::string, std::unique_ptr<CacheRecord>> records_;
  SubscriberGroups groups_;
  std::vector<SubscriberGroup*> to_notify_;
  MintQueue queue_;
  DueTimes due_;
  std::set<std::pair<std::uint64_t, CacheRecord*>> evictable_;  // by last access
  PrefetchList prefetchable_;
  std::multiset<runtime::WallTime> expiries_;  // of the SVIDs held
  std::size_t svids_ = 0;
  std::size_t expired_ = 0;
  std::size_t subscribers_ = 0;
  std::uint64_t accesses_ = 0;
  std::uint64_t entries_added_ = 0;
  std::uint64_t entries_updated_ = 0;
  std::uint64_t entries_removed_ = 0;
};

}  // namespace steeple::agent
