#include "deploy/devserver/federation/refresh_schedule.h"

#include <algorithm>

namespace steeple::devserver {

RefreshSchedule::Changes RefreshSchedule::set_targets(const FederationTargets& targets, runtime::SteadyTime now) {
  Changes changes;
  for (auto item = items_.begin(); item != items_.end();) {
    if (targets.contains(item->first)) {
      ++item;
      continue;
    }
    changes.removed.push_back(item->first);
    item = items_.erase(item);
  }
  for (const auto& [name, target] : targets) {
    auto [item, added] = items_.try_emplace(name, Item{target, now});
    if (added) {
      changes.added.push_back(name);
    } else if (item->second.target != target) {
      item->second.target = target;
      item->second.due = now;
      item->second.again = item->second.running;
      changes.changed.push_back(name);
    }
  }
  return changes;
}

const FederationTarget* RefreshSchedule::find(const std::string& trust_domain) const {
  auto found = items_.find(trust_domain);
  return found == items_.end() ? nullptr : &found->second.target;
}

std::vector<std::string> RefreshSchedule::take_due(runtime::SteadyTime now) {
  std::vector<std::string> due;
  for (auto& [name, item] : items_) {
    if (item.running || item.due > now) continue;
    item.running = true;
    due.push_back(name);
  }
  return due;
}

void RefreshSchedule::finished(const std::string& trust_domain, runtime::SteadyTime next) {
  auto found = items_.find(trust_domain);
  if (found == items_.end()) return;
  Item& item = found->second;
  item.running = false;
  if (!item.again) item.due = next;
  item.again = false;
}

runtime::SteadyTime RefreshSchedule::next(runtime::SteadyTime latest) const {
  for (const auto& [name, item] : items_) {
    if (!item.running) latest = std::min(latest, item.due);
  }
  return latest;
}

}  // namespace steeple::devserver
