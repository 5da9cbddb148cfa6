#include "agent/entry/entry_diff.h"

namespace steeple::agent {

EntryDiff workload_part(const EntryDiff& diff) {
  EntryDiff part;
  for (const SharedEntry& entry : diff.created) {
    if (!entry->store_svid) part.created.push_back(entry);
  }
  for (const EntryChange& change : diff.updated) {
    const bool was = !change.before->store_svid;
    const bool is = !change.after->store_svid;
    if (was && is) part.updated.push_back(change);
    if (was && !is) part.removed.push_back(change.before);
    if (!was && is) part.created.push_back(change.after);
  }
  for (const SharedEntry& entry : diff.removed) {
    if (!entry->store_svid) part.removed.push_back(entry);
  }
  return part;
}

EntryDiff combine(EntryDiff earlier, EntryDiff later) {
  if (earlier.empty()) return later;
  std::map<std::string, EntryChange> changes;  // null before: created; null after: removed
  auto add = [&](SharedEntry before, SharedEntry after) {
    const std::string& id = after ? after->id : before->id;
    auto [slot, first] = changes.try_emplace(id, before, after);
    if (!first) slot->second.after = std::move(after);
  };
  for (EntryDiff* diff : {&earlier, &later}) {
    for (SharedEntry& entry : diff->removed) add(std::move(entry), nullptr);
    for (EntryChange& change : diff->updated) add(std::move(change.before), std::move(change.after));
    for (SharedEntry& entry : diff->created) add(nullptr, std::move(entry));
  }
  EntryDiff both;
  for (auto& [id, change] : changes) {
    if (change.before && change.after)
      both.updated.push_back(std::move(change));
    else if (change.before)
      both.removed.push_back(std::move(change.before));
    else if (change.after)
      both.created.push_back(std::move(change.after));
  }
  return both;
}

SharedEntry EntrySet::find(std::string_view id) const {
  auto found = entries_.find(std::string(id));
  return found == entries_.end() ? nullptr : found->second.entry;
}

std::vector<TrustDomain> EntrySet::federated_trust_domains() const {
  std::vector<TrustDomain> trust_domains;
  trust_domains.reserve(federation_.size());
  for (const auto& [trust_domain, entries] : federation_) trust_domains.push_back(trust_domain);
  return trust_domains;
}

void EntrySet::count_federation(const RegistrationEntry& entry, int step) {
  for (const TrustDomain& trust_domain : entry.federates_with) {
    auto counted = federation_.try_emplace(trust_domain, 0).first;
    counted->second += step;
    if (counted->second == 0) federation_.erase(counted);
  }
}

EntryUpdate::EntryUpdate(EntrySet& set) : set_(set), update_(++set.updates_) {}

void EntryUpdate::see(EntrySet::Slot& slot) {
  if (slot.seen == update_) return;
  slot.seen = update_;
  ++seen_;
}

bool EntryUpdate::see_revision(std::string_view id, std::int64_t revision_number, std::int64_t created_at) {
  auto found = set_.entries_.find(std::string(id));
  if (found == set_.entries_.end()) return true;
  see(found->second);
  const RegistrationEntry& entry = *found->second.entry;
  if (entry.revision_number != revision_number) return true;
  return created_at != 0 && entry.created_at != created_at;  // servers before 1.12.0 send 0
}

void EntryUpdate::put(RegistrationEntry entry) {
  auto found = set_.entries_.find(entry.id);
  if (found != set_.entries_.end()) {
    see(found->second);
    if (*found->second.entry == entry) {
      fresh_.erase(entry.id);
      return;
    }
  }
  std::string id = entry.id;
  fresh_.insert_or_assign(std::move(id), std::make_shared<const RegistrationEntry>(std::move(entry)));
}

EntryDiff EntryUpdate::commit() {
  EntryDiff diff;
  if (seen_ != set_.entries_.size()) {
    for (auto slot = set_.entries_.begin(); slot != set_.entries_.end();) {
      if (slot->second.seen == update_) {
        ++slot;
        continue;
      }
      set_.count_federation(*slot->second.entry, -1);
      diff.removed.push_back(std::move(slot->second.entry));
      slot = set_.entries_.erase(slot);
    }
  }
  for (auto& [id, entry] : fresh_) {
    set_.count_federation(*entry, +1);
    auto [slot, created] = set_.entries_.try_emplace(id);
    if (created) {
      diff.created.push_back(entry);
    } else {
      set_.count_federation(*slot->second.entry, -1);
      diff.updated.emplace_back(std::move(slot->second.entry), entry);
    }
    slot->second.entry = entry;
    slot->second.seen = update_;
  }
  fresh_.clear();
  if (!diff.empty()) set_.listing_.clear();
  return diff;
}

EntryDiff EntryUpdate::commit(std::vector<runtime::Bytes> listing) {
  EntryDiff diff = commit();
  set_.listing_ = std::move(listing);
  return diff;
}

}  // namespace steeple::agent
