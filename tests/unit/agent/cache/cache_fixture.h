// A cache on a loop, with what its tests say again and again.
#pragma once

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/cache/x509_cache.h"
#include "runtime/task/task_group.h"
#include "tests/fakes/entries.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/signing_authority.h"

namespace steeple::tests {

// Reads its subscription until told to stop; keeps what it was told.
class Reader {
 public:
  Reader(runtime::Loop& loop, std::unique_ptr<agent::Subscription> subscription)
      : loop_(loop), subscription_(std::move(subscription)), group_(loop) {
    group_.spawn(read());
  }
  ~Reader() {
    group_.close(runtime::StopReason::kShutdown);
    while (group_.size() != 0) {
      loop_.io().restart();
      loop_.io().poll();
    }
  }
  // What came since the last call: per update, its entry ids.
  std::vector<std::vector<std::string>> news() {
    loop_.io().restart();
    loop_.io().poll();
    return std::exchange(news_, {});
  }
  const agent::WorkloadUpdate& last() const { return *last_; }

 private:
  runtime::Task<void> read() {
    for (;;) {
      auto update = co_await subscription_->next(runtime::Deadline::never(), group_.token());
      if (!update) co_return;
      last_ = *update;
      std::vector<std::string> ids;
      for (const agent::Identity& identity : last_->identities()) ids.push_back(identity.entry().id);
      news_.push_back(std::move(ids));
    }
  }
  runtime::Loop& loop_;
  std::unique_ptr<agent::Subscription> subscription_;
  runtime::TaskGroup group_;
  std::shared_ptr<const agent::WorkloadUpdate> last_;
  std::vector<std::vector<std::string>> news_;
};

using News = std::vector<std::vector<std::string>>;

class CacheFixture {
 public:
  explicit CacheFixture(std::size_t svids_max = 0)
      : own("example.org"),
        cache(loop, clock, svids_max,
              runtime::Logger(runtime::make_string_sink(&log), runtime::LogLevel::kDebug, runtime::LogFormat::kText)) {
    bundles.set_own(own.shared_bundle());
    update({});
  }

  void update(const agent::EntryDiff& diff) { cache.update(bundles, diff); }
  std::unique_ptr<Reader> reader(std::initializer_list<std::string> selectors) {
    return std::make_unique<Reader>(loop, cache.subscribe(selectors_of(selectors)));
  }
  std::vector<agent::WantedSvid> take(agent::MintPriority least = agent::MintPriority::kPrefetch,
                                      std::size_t max = 500) {
    return cache.take_wanted(least, max, clock.now());
  }
  void sign(const agent::SharedEntry& entry) {
    const auto now = clock.wall_now();
    auto svid = own.svid(entry->spiffe_id.text(), now - std::chrono::seconds(10), now + std::chrono::hours(1));
    cache.put_svid(entry, svid, now + std::chrono::minutes(30));
  }
  // Signs all that is wanted; gives the ids.
  std::vector<std::string> sign_all() {
    std::vector<std::string> ids;
    for (const agent::WantedSvid& wanted : take()) {
      sign(wanted.entry);
      ids.push_back(wanted.entry->id);
    }
    return ids;
  }
  bool logged(const std::string& part) const { return log.find(part) != std::string::npos; }

  runtime::Loop loop;
  FakeClock clock;
  std::string log;
  SigningAuthority own;
  agent::BundleSet bundles;
  agent::X509Cache cache;
};

}  // namespace steeple::tests
