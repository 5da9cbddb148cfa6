// An IdentitySource whose updates the test gives. Each subscriber sees the newest one, as the real cache's do.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "agent/cache/identity_source.h"
#include "agent/cache/workload_update.h"
#include "runtime/task/latest.h"

namespace steeple::tests {

class FakeIdentitySource final : public agent::IdentitySource {
 public:
  using Update = std::shared_ptr<const agent::WorkloadUpdate>;
  explicit FakeIdentitySource(runtime::Loop& loop) : loop_(loop) {}

  // What the next subscribers start with; null: nothing yet.
  void set_first(Update update) { first_ = std::move(update); }
  // The first update by the caller's selectors, instead of set_first().
  void set_chooser(std::function<Update(const attestation::Selectors&)> chooser) { chooser_ = std::move(chooser); }
  void fail_with(runtime::Error error) { failure_ = std::make_unique<runtime::Error>(std::move(error)); }
  void push(Update update) {
    for (FakeSubscription* open : open_) open->latest.set(update);
  }
  void set_entries(std::vector<agent::SharedEntry> entries) { entries_ = std::move(entries); }
  std::size_t subscribers() const { return open_.size(); }
  const std::vector<attestation::Selectors>& asked() const { return asked_; }

  runtime::Task<runtime::Result<std::unique_ptr<agent::Subscription>>> subscribe(attestation::Selectors selectors,
                                                                                 runtime::Deadline,
                                                                                 runtime::StopToken) override {
    asked_.push_back(selectors);
    if (failure_) co_return *failure_;
    auto made = std::make_unique<FakeSubscription>(*this);
    Update first = chooser_ ? chooser_(selectors) : first_;
    if (first) made->latest.set(first);
    co_return std::unique_ptr<agent::Subscription>(std::move(made));
  }

  // Those set, or those of the update the caller would start with.
  runtime::Task<runtime::Result<std::vector<agent::SharedEntry>>> matching_entries(attestation::Selectors selectors,
                                                                                   runtime::Deadline,
                                                                                   runtime::StopToken) override {
    if (failure_) co_return *failure_;
    std::vector<agent::SharedEntry> entries = entries_;
    Update first = chooser_ ? chooser_(selectors) : first_;
    if (entries.empty() && first) {
      for (const agent::Identity& identity : first->identities()) {
        entries.push_back(std::make_shared<agent::RegistrationEntry>(identity.entry()));
      }
    }
    co_return entries;
  }
  runtime::Task<runtime::Result<std::vector<agent::SharedBundle>>> bundles_of(attestation::Selectors selectors,
                                                                              runtime::Deadline,
                                                                              runtime::StopToken) override {
    if (failure_) co_return *failure_;
    std::vector<agent::SharedBundle> bundles;
    if (Update first = chooser_ ? chooser_(selectors) : first_) {
      bundles.push_back(first->own_bundle());
      bundles.insert(bundles.end(), first->federated_bundles().begin(), first->federated_bundles().end());
    }
    co_return bundles;
  }

 private:
  struct FakeSubscription final : agent::Subscription {
    explicit FakeSubscription(FakeIdentitySource& source) : owner(source), latest(source.loop_) {
      owner.open_.push_back(this);
    }
    ~FakeSubscription() override { std::erase(owner.open_, this); }
    runtime::Task<runtime::Result<Update>> next(runtime::Deadline deadline, runtime::StopToken stop) override {
      return latest.next(deadline, stop);
    }
    FakeIdentitySource& owner;
    runtime::Latest<Update> latest;
  };

  runtime::Loop& loop_;
  Update first_;
  std::function<Update(const attestation::Selectors&)> chooser_;
  std::unique_ptr<runtime::Error> failure_;
  std::vector<FakeSubscription*> open_;
  std::vector<agent::SharedEntry> entries_;
  std::vector<attestation::Selectors> asked_;
};

}  // namespace steeple::tests
