// Subscribers by selector set: one group for all who have the same selectors, and, for an entry, the groups it applies
// to (the superset question). Inside agent/cache only.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/cache/cache_record.h"
#include "agent/entry/entry_index.h"

namespace steeple::agent {

struct SelectorsHash {
  std::size_t operator()(const attestation::Selectors& selectors) const;
};

class SubscriberGroups {
 public:
  explicit SubscriberGroups(runtime::Loop& loop) : loop_(loop) {}

  SubscriberGroup* find(const attestation::Selectors& selectors);
  SubscriberGroup& create(attestation::Selectors selectors);
  // Nobody can notify it: for callers without selectors.
  SubscriberGroup& create_apart();
  void erase(SubscriberGroup& group);  // has no records left

  // Groups whose selectors include all of these.
  std::vector<SubscriberGroup*> supersets_of(const attestation::Selectors& selectors) const;
  template <class Action>
  void for_each(Action action) {
    for (auto& [selectors, group] : groups_) action(*group);
  }
  bool empty() const { return groups_.empty() && apart_.empty(); }

 private:
  runtime::Loop& loop_;
  std::unordered_map<attestation::Selectors, std::unique_ptr<SubscriberGroup>, SelectorsHash> groups_;
  std::unordered_map<attestation::Selector, std::vector<SubscriberGroup*>, SelectorHash> by_selector_;
  std::unordered_map<const SubscriberGroup*, std::unique_ptr<SubscriberGroup>> apart_;
};

}  // namespace steeple::agent
