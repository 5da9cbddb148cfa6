// Entries, their X509-SVIDs, who subscribes to them, and what has yet to be signed (server-sync 4, endpoints 1.10).
// Event-driven: each change touches only the entries and subscribers it concerns; nothing walks all entries by the
// clock. One writer, the syncer; subscribers read immutable snapshots, shared by all who have the same selectors. The
// number of SVIDs is bound: above it only those of subscribers are kept. An entry that is not to be signed in advance
// has its SVID for as long as it has a subscriber. I/O thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/cache/bundle_cache.h"
#include "agent/cache/identity_source.h"
#include "agent/cache/workload_update.h"
#include "agent/entry/entry_diff.h"
#include "runtime/core/clock.h"
#include "runtime/core/log.h"
#include "runtime/loop/loop.h"

namespace steeple::agent {

inline constexpr std::size_t kX509SvidCacheMaxDefault = 1000;

// What is signed first. Awaited: a subscriber has not had its first update because of it.
enum class MintPriority { kAwaited, kActive, kPrefetch };

class WantedSvid {
 public:
  WantedSvid(SharedEntry wanted_entry, std::optional<runtime::WallTime> expiry, MintPriority wanted_priority)
      : entry(std::move(wanted_entry)), expires_at(expiry), priority(wanted_priority) {}
  SharedEntry entry;
  std::optional<runtime::WallTime> expires_at;  // of the SVID it replaces; none: the first, or the old one is tainted
  MintPriority priority;
};

struct CacheCounts {
  std::size_t entries = 0;
  std::size_t svids = 0;
  std::size_t wanted = 0;   // waiting to be signed, or being signed
  std::size_t expired = 0;  // served although past their expiry
  std::size_t subscribers = 0;
  // Since the start. Updated: selectors, federation or a federated bundle changed.
  std::uint64_t entries_added = 0;
  std::uint64_t entries_updated = 0;
  std::uint64_t entries_removed = 0;
  std::optional<runtime::WallTime> nearest_expiry;  // of the SVIDs held
};

class X509Cache {
 public:
  // `svids_max` 0 is the default.
  X509Cache(runtime::Loop& loop, const runtime::Clock& clock, std::size_t svids_max, runtime::Logger log);
  ~X509Cache();  // after its last subscription
  X509Cache(const X509Cache&) = delete;
  X509Cache& operator=(const X509Cache&) = delete;

  // --- readers
  // First update: once no matching entry lacks its SVID. Without selectors: one update, then none ever.
  std::unique_ptr<Subscription> subscribe(attestation::Selectors selectors);
  bool any_match(const attestation::Selectors& selectors) const;
  std::vector<SharedEntry> matching_entries(const attestation::Selectors& selectors) const;
  // The own bundle, if known, then those of the trust domains that matching entries with an SVID federate with.
  std::vector<SharedBundle> bundles_of(const attestation::Selectors& selectors) const;
  const BundleSet& bundles() const;
  CacheCounts counts() const;

  // --- the syncer
  // One sync pass's result: bundles first, then entries, then what to sign and what to evict. Notifies.
  BundleChanges update(const BundleSet& bundles, const EntryDiff& workload_entries);

  // --- the minter
  // Called when something new is to be signed; not from within take_wanted().
  void on_wanted(std::function<void(MintPriority)> action);
  // Up to `max` of at least this priority whose retry time has come, the awaited first. Each is out until put_svid() or
  // mint_failed() is called for it.
  std::vector<WantedSvid> take_wanted(MintPriority least, std::size_t max, runtime::SteadyTime now);
  bool has_wanted(MintPriority least, runtime::SteadyTime now) const;
  std::size_t wanted_count() const;                       // waiting, not out
  std::optional<runtime::SteadyTime> next_retry() const;  // the earliest retry time of those that failed
  // `minted_for` is the entry the SVID was asked with: one that changed meanwhile is signed again.
  void put_svid(const SharedEntry& minted_for, SharedX509Svid svid, runtime::WallTime rotate_at);
  void mint_failed(const std::string& entry_id, runtime::SteadyTime retry_at);

  // --- rotation
  std::optional<runtime::WallTime> next_due() const;
  // SVIDs past their rotation time become wanted; gives how many. Those past their expiry are warned of, once each, and
  // stay served.
  std::size_t mark_due(runtime::WallTime now);

  // --- tainted authorities: the SVID stays served until its successor is there.
  std::vector<std::string> entries_with_svid() const;
  SharedX509Svid svid_of(const std::string& entry_id) const;
  void mark_tainted(const std::string& entry_id);

  class Impl;  // for agent/cache

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace steeple::agent
