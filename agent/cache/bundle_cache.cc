#include "agent/cache/bundle_cache.h"

namespace steeple::agent {

BundleChanges BundleCache::update(const BundleSet& update) {
  BundleChanges changes;
  BundleSet next(update.own() ? update.own() : bundles_.own());
  for (const auto& [trust_domain, bundle] : bundles_.federated()) {
    if (update.federated().contains(trust_domain)) continue;
    log_.debug("Bundle removed", {{"trust_domain_id", trust_domain.name()}});
    changes.federated_removed.push_back(trust_domain);
  }
  auto keep_or_replace = [&](const SharedBundle& known, const SharedBundle& fresh) {
    if (known && (known == fresh || *known == *fresh)) return false;
    log_.debug(known ? "Bundle updated" : "Bundle added", {{"trust_domain_id", fresh->trust_domain().name()}});
    return true;
  };
  if (update.own()) {
    changes.own_changed = keep_or_replace(bundles_.own(), update.own());
    if (!changes.own_changed) next.set_own(bundles_.own());
  }
  for (const auto& [trust_domain, bundle] : update.federated()) {
    SharedBundle known = bundles_.find(trust_domain);
    const bool changed = keep_or_replace(known, bundle);
    if (changed) changes.federated_changed.push_back(trust_domain);
    next.set_federated(changed ? bundle : known);
  }
  bundles_ = std::move(next);
  return changes;
}

}  // namespace steeple::agent
