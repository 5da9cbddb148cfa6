#include "agent/cache/bundle_feed.h"

namespace steeple::agent {

void BundleFeed::set(const BundleSet& bundles) {
  bundles_ = bundles;
  for (Follower* follower : followers_) follower->latest_.set(bundles_);
}

BundleFeed::Follower::Follower(BundleFeed& feed) : feed_(feed), latest_(feed.loop_) {
  latest_.set(feed_.bundles_);
  feed_.followers_.push_back(this);
}

BundleFeed::Follower::~Follower() { std::erase(feed_.followers_, this); }

runtime::Task<runtime::Result<BundleSet>> BundleFeed::Follower::next(runtime::StopToken stop) {
  return latest_.next(runtime::Deadline::never(), stop);
}

}  // namespace steeple::agent
