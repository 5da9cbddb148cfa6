// What changed between two sets of authorised entries, and the set itself, which one successful exchange with the
// server replaces as a whole: a broken exchange changes nothing (server-sync 3.3, step 6). I/O thread only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/entry/registration_entry.h"
#include "runtime/core/bytes.h"

namespace steeple::agent {

class EntryChange {
 public:
  EntryChange(SharedEntry old_entry, SharedEntry new_entry)
      : before(std::move(old_entry)), after(std::move(new_entry)) {}
  SharedEntry before;
  SharedEntry after;
};

class EntryDiff {
 public:
  std::vector<SharedEntry> created;
  std::vector<EntryChange> updated;
  std::vector<SharedEntry> removed;
  bool empty() const { return created.empty() && updated.empty() && removed.empty(); }
};

// The part of a diff that workloads can see: entries for SVID stores are left out, and one that turns into such an
// entry, or back, is a removal or a creation.
EntryDiff workload_part(const EntryDiff& diff);

// What two diffs in a row change together.
EntryDiff combine(EntryDiff earlier, EntryDiff later);

class EntrySet {
 public:
  SharedEntry find(std::string_view id) const;  // null: not there
  std::size_t size() const { return entries_.size(); }
  // The trust domains any entry federates with, sorted.
  std::vector<TrustDomain> federated_trust_domains() const;
  // The server's messages that said that there are these entries and no others; empty when that is not known. The same
  // messages again mean that nothing has changed, without a look at each entry.
  const std::vector<runtime::Bytes>& listing() const { return listing_; }

 private:
  friend class EntryUpdate;
  struct Slot {
    SharedEntry entry;
    std::uint64_t seen = 0;  // the last update that found the entry still authorised
  };
  void count_federation(const RegistrationEntry& entry, int step);
  std::unordered_map<std::string, Slot> entries_;
  std::map<TrustDomain, int> federation_;
  std::vector<runtime::Bytes> listing_;
  std::uint64_t updates_ = 0;
};

// One pass over the server's answer. Nothing of the set changes before commit().
class EntryUpdate {
 public:
  explicit EntryUpdate(EntrySet& set);

  // Whether the entry of this revision has to be fetched; it counts as authorised either way.
  bool see_revision(std::string_view id, std::int64_t revision_number, std::int64_t created_at);
  void put(RegistrationEntry entry);
  EntryDiff commit();  // entries neither seen nor put are removed
  // The same, where these messages are all that was seen and put (EntrySet::listing).
  EntryDiff commit(std::vector<runtime::Bytes> listing);

 private:
  void see(EntrySet::Slot& slot);
  EntrySet& set_;
  std::uint64_t update_;
  std::size_t seen_ = 0;
  std::unordered_map<std::string, SharedEntry> fresh_;
};

}  // namespace steeple::agent
