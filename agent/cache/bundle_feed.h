// Every bundle the agent knows, for those who follow all of them and not a workload's own (endpoints 5.2). A slow
// follower sees the newest set only. I/O thread only.
#pragma once

#include <memory>
#include <vector>

#include "agent/spiffe/bundle.h"
#include "runtime/task/latest.h"

namespace steeple::agent {

class BundleFeed {
 public:
  explicit BundleFeed(runtime::Loop& loop) : loop_(loop) {}
  BundleFeed(const BundleFeed&) = delete;
  BundleFeed& operator=(const BundleFeed&) = delete;

  void set(const BundleSet& bundles);

  // Starts with the set there is; leaves when destroyed, before the feed.
  class Follower {
   public:
    explicit Follower(BundleFeed& feed);
    ~Follower();
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;
    runtime::Task<runtime::Result<BundleSet>> next(runtime::StopToken stop);

   private:
    friend class BundleFeed;
    BundleFeed& feed_;
    runtime::Latest<BundleSet> latest_;
  };

 private:
  runtime::Loop& loop_;
  BundleSet bundles_;
  std::vector<Follower*> followers_;
};

}  // namespace steeple::agent
