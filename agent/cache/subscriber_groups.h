// Subscribers by selector set: one group for all who have the same selectors, and, for an entry, the groups it applies
// to (the superset question). Inside agent/cache only.
//
// A group that all have left rests: who calls again and again, each time alone, finds its records and its encoded
// answer. It rests until anything changes (drop_resting), so that it is never out of date and keeps no old key alive.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "agent/cache/cache_record.h"
#include "agent/entry/entry_index.h"

namespace steeple::agent {

inline constexpr std::size_t kRestingGroupsMax = 64;

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
  void erase(SubscriberGroup& group);  // has no records left, or has rested
  void rest(SubscriberGroup& group);
  bool wake(SubscriberGroup& group);  // false: it was not resting
  void drop_resting();

  // Groups whose selectors include all of these.
  std::vector<SubscriberGroup*> supersets_of(const attestation::Selectors& selectors) const;
  template <class Action>
  void for_each(Action action) {
    for (auto& [selectors, group] : groups_) action(*group);
  }
  bool empty() const { return groups_.empty() && apart_.empty(); }

 private:
  using RestingList =
      boost::intrusive::list<SubscriberGroup,
                             boost::intrusive::member_hook<SubscriberGroup, decltype(SubscriberGroup::resting_hook),
                                                           &SubscriberGroup::resting_hook>,
                             boost::intrusive::constant_time_size<false>>;
  runtime::Loop& loop_;
  RestingList resting_;  // the one that rests longest at the front
  std::size_t resting_count_ = 0;
  std::unordered_map<attestation::Selectors, std::unique_ptr<SubscriberGroup>, SelectorsHash> groups_;
  std::unordered_map<attestation::Selector, std::vector<SubscriberGroup*>, SelectorHash> by_selector_;
  std::unordered_map<const SubscriberGroup*, std::unique_ptr<SubscriberGroup>> apart_;
};

}  // namespace steeple::agent
