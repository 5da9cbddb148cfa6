#include "agent/cache/subscriber_groups.h"

#include <algorithm>

namespace steeple::agent {

std::size_t SelectorsHash::operator()(const attestation::Selectors& selectors) const {
  std::size_t hash = selectors.size();
  for (const attestation::Selector& selector : selectors) hash = hash * 1000003 ^ SelectorHash()(selector);
  return hash;
}

SubscriberGroup* SubscriberGroups::find(const attestation::Selectors& selectors) {
  auto found = groups_.find(selectors);
  return found == groups_.end() ? nullptr : found->second.get();
}

SubscriberGroup& SubscriberGroups::create(attestation::Selectors selectors) {
  auto group = std::make_unique<SubscriberGroup>(loop_, std::move(selectors));
  for (const attestation::Selector& selector : group->selectors) by_selector_[selector].push_back(group.get());
  attestation::Selectors key = group->selectors;
  return *groups_.emplace(std::move(key), std::move(group)).first->second;
}

SubscriberGroup& SubscriberGroups::create_apart() {
  auto group = std::make_unique<SubscriberGroup>(loop_, attestation::Selectors());
  const SubscriberGroup* key = group.get();
  return *apart_.emplace(key, std::move(group)).first->second;
}

void SubscriberGroups::erase(SubscriberGroup& group) {
  if (apart_.erase(&group) != 0) return;
  for (const attestation::Selector& selector : group.selectors) {
    auto filed = by_selector_.find(selector);
    std::erase(filed->second, &group);
    if (filed->second.empty()) by_selector_.erase(filed);
  }
  groups_.erase(groups_.find(group.selectors));
}

void SubscriberGroups::rest(SubscriberGroup& group) {
  resting_.push_back(group);
  if (++resting_count_ <= kRestingGroupsMax) return;
  SubscriberGroup& oldest = resting_.front();
  wake(oldest);
  erase(oldest);
}

bool SubscriberGroups::wake(SubscriberGroup& group) {
  if (!group.resting_hook.is_linked()) return false;
  group.resting_hook.unlink();
  --resting_count_;
  return true;
}

void SubscriberGroups::drop_resting() {
  while (!resting_.empty()) {
    SubscriberGroup& group = resting_.front();
    wake(group);
    erase(group);
  }
}

std::vector<SubscriberGroup*> SubscriberGroups::supersets_of(const attestation::Selectors& selectors) const {
  const std::vector<SubscriberGroup*>* fewest = nullptr;
  for (const attestation::Selector& selector : selectors) {
    auto filed = by_selector_.find(selector);
    if (filed == by_selector_.end()) return {};
    if (fewest == nullptr || filed->second.size() < fewest->size()) fewest = &filed->second;
  }
  std::vector<SubscriberGroup*> supersets;
  if (fewest == nullptr) return supersets;
  std::copy_if(fewest->begin(), fewest->end(), std::back_inserter(supersets),
               [&](const SubscriberGroup* group) { return selectors.is_subset_of(group->selectors); });
  return supersets;
}

}  // namespace steeple::agent
