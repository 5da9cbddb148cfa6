#include "deploy/devserver/datastore/entry_index.h"

#include "spire/api/types/entry.pb.h"

namespace steeple::devserver {
namespace {

using spire::api::types::Entry;

template <class Map, class Key>
void drop(Map& map, const Key& key, const std::string& id) {
  auto found = map.find(key);
  if (found == map.end()) return;
  found->second.erase(id);
  if (found->second.empty()) map.erase(found);
}

bool expired(const Entry& entry, std::int64_t now) { return entry.expires_at() != 0 && entry.expires_at() < now; }

bool is_server_id(const spire::api::types::SPIFFEID& id) { return id.path() == "/spire/server"; }

}  // namespace

std::string id_text(const spire::api::types::SPIFFEID& id) { return "spiffe://" + id.trust_domain() + id.path(); }

attestation::Selectors selectors_of(const Entry& entry) {
  std::vector<attestation::Selector> items;
  items.reserve(static_cast<std::size_t>(entry.selectors_size()));
  for (const auto& selector : entry.selectors()) items.emplace_back(selector.type(), selector.value());
  return attestation::Selectors(std::move(items));
}

void EntryIndex::put(EntryPtr entry) {
  erase(entry->id());
  std::string parent = id_text(entry->parent_id());
  std::string spiffe_id = id_text(entry->spiffe_id());
  by_parent_[parent].insert(entry->id());
  by_spiffe_id_[spiffe_id].insert(entry->id());
  by_parent_and_spiffe_id_[{parent, spiffe_id}].insert(entry->id());
  std::string id = entry->id();
  by_id_.insert_or_assign(std::move(id), std::move(entry));
}

void EntryIndex::erase(const std::string& id) {
  auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  EntryPtr entry = found->second;  // `id` may be this entry's own string
  std::string parent = id_text(entry->parent_id());
  std::string spiffe_id = id_text(entry->spiffe_id());
  drop(by_parent_, parent, entry->id());
  drop(by_spiffe_id_, spiffe_id, entry->id());
  drop(by_parent_and_spiffe_id_, std::pair(parent, spiffe_id), entry->id());
  by_id_.erase(found);
}

void EntryIndex::clear() {
  by_id_.clear();
  by_parent_.clear();
  by_spiffe_id_.clear();
  by_parent_and_spiffe_id_.clear();
}

EntryPtr EntryIndex::find(const std::string& id) const {
  auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

EntryPtr EntryIndex::similar(const Entry& entry) const {
  auto found = by_parent_and_spiffe_id_.find({id_text(entry.parent_id()), id_text(entry.spiffe_id())});
  if (found == by_parent_and_spiffe_id_.end()) return nullptr;
  attestation::Selectors wanted = selectors_of(entry);
  for (const std::string& id : found->second) {
    EntryPtr other = find(id);
    if (selectors_of(*other) == wanted) return other;
  }
  return nullptr;
}

std::vector<EntryPtr> EntryIndex::authorised(const std::string& agent_id, const attestation::Selectors& agent_selectors,
                                             std::int64_t now) const {
  Ids visited;
  std::map<std::string, EntryPtr> found;
  walk(agent_id, now, visited, found);
  for (const auto& [parent, ids] : by_parent_) {
    const Entry& first = *find(*ids.begin());
    if (!is_server_id(first.parent_id())) continue;
    for (const std::string& id : ids) {
      const Entry& alias = *find(id);
      if (expired(alias, now) || !selectors_of(alias).is_subset_of(agent_selectors)) continue;
      walk(id_text(alias.spiffe_id()), now, visited, found);
    }
  }
  std::vector<EntryPtr> entries;
  entries.reserve(found.size());
  for (auto& [id, entry] : found) entries.push_back(std::move(entry));
  return entries;
}

void EntryIndex::walk(const std::string& parent, std::int64_t now, Ids& visited,
                      std::map<std::string, EntryPtr>& found) const {
  std::vector<std::string> open{parent};
  while (!open.empty()) {
    std::string next = std::move(open.back());
    open.pop_back();
    if (!visited.insert(next).second) continue;
    auto children = by_parent_.find(next);
    if (children == by_parent_.end()) continue;
    for (const std::string& id : children->second) {
      EntryPtr entry = find(id);
      if (expired(*entry, now)) continue;
      open.push_back(id_text(entry->spiffe_id()));
      found.emplace(id, std::move(entry));
    }
  }
}

bool EntryIndex::any_of_id(const std::string& spiffe_id, bool (*wanted)(const Entry&), std::int64_t now) const {
  auto found = by_spiffe_id_.find(spiffe_id);
  if (found == by_spiffe_id_.end()) return false;
  for (const std::string& id : found->second) {
    EntryPtr entry = find(id);
    if (!expired(*entry, now) && wanted(*entry)) return true;
  }
  return false;
}

}  // namespace steeple::devserver
