#include "agent/entry/entry_index.h"

#include <algorithm>
#include <functional>
#include <string_view>

namespace steeple::agent {

std::size_t SelectorHash::operator()(const attestation::Selector& selector) const {
  const std::hash<std::string_view> hash;
  return hash(selector.type()) * 31 + hash(selector.value());
}

void EntryIndex::add(SharedEntry entry) {
  remove(*entry);
  const attestation::Selector* best = nullptr;
  std::size_t best_size = 0;
  for (const attestation::Selector& selector : entry->selectors) {
    auto bucket = buckets_.find(selector);
    const std::size_t size = bucket == buckets_.end() ? 0 : bucket->second.size();
    if (best == nullptr || size < best_size) {
      best = &selector;
      best_size = size;
    }
  }
  if (best == nullptr) return;  // an entry without selectors applies to nobody
  auto& bucket = *buckets_.try_emplace(*best).first;
  filed_under_.emplace(entry->id, Place{&bucket, bucket.second.size()});
  bucket.second.push_back(std::move(entry));
}

void EntryIndex::remove(const RegistrationEntry& entry) {
  auto filed = filed_under_.find(entry.id);
  if (filed == filed_under_.end()) return;
  auto [bucket, position] = filed->second;
  filed_under_.erase(filed);
  std::vector<SharedEntry>& entries = bucket->second;
  if (position + 1 != entries.size()) {
    entries[position] = std::move(entries.back());
    filed_under_.at(entries[position]->id).position = position;
  }
  entries.pop_back();
  if (entries.empty()) buckets_.erase(attestation::Selector(bucket->first));
}

std::vector<SharedEntry> EntryIndex::match(const attestation::Selectors& selectors) const {
  std::vector<SharedEntry> matching;
  for (const attestation::Selector& selector : selectors) {
    auto bucket = buckets_.find(selector);
    if (bucket == buckets_.end()) continue;
    for (const SharedEntry& entry : bucket->second) {
      if (entry->selectors.is_subset_of(selectors)) matching.push_back(entry);
    }
  }
  std::sort(matching.begin(), matching.end(), [](const auto& a, const auto& b) { return a->id < b->id; });
  return matching;
}

bool EntryIndex::any_match(const attestation::Selectors& selectors) const {
  for (const attestation::Selector& selector : selectors) {
    auto bucket = buckets_.find(selector);
    if (bucket == buckets_.end()) continue;
    for (const SharedEntry& entry : bucket->second) {
      if (entry->selectors.is_subset_of(selectors)) return true;
    }
  }
  return false;
}

}  // namespace steeple::agent
