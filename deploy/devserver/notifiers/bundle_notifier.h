// Keeps one cluster's copy of the bundle in step: at start, at each change, and again after a failure, with back-off.
// Objects with a label are watched, so that new ones get the bundle too; while an API server does not let them be
// watched they are looked at every kLabelsInterval. Owned by the server; I/O thread only.
#pragma once

#include <memory>

#include "deploy/devserver/notifiers/k8s_bundle.h"
#include "runtime/core/log.h"
#include "runtime/task/signal.h"

namespace steeple::devserver {

inline constexpr std::chrono::seconds kPublishTimeout{60};  // one pass
inline constexpr std::chrono::seconds kLabelsInterval{10};
inline constexpr std::chrono::minutes kLabelsIntervalWatched{10};  // in case an event was missed
inline constexpr std::chrono::milliseconds kPublishRetryMin{500};
inline constexpr std::chrono::seconds kPublishRetryMax{30};

class BundleNotifier final : private attestation::KubeListener {
 public:
  // `watched` is where the watches go: each holds one of its workers. It outlives run().
  BundleNotifier(runtime::Loop& loop, K8sBundle bundle, KubeApi& watched, std::uint64_t sequence_number,
                 runtime::Logger log);

  // Told with each look at the authorities; a number it does not know yet means that the bundle has changed.
  void bundle_is(std::uint64_t sequence_number);

  runtime::Task<void> run(runtime::StopToken stop);  // until stopped

 private:
  void listed(std::vector<attestation::KubeMeta>) override { wake_.notify(); }
  void changed(const attestation::KubeMeta&) override { wake_.notify(); }
  void removed(const std::string&) override {}
  void lost() override { wake_.notify(); }
  runtime::Task<void> publish(runtime::StopToken stop);
  runtime::Deadline next_look(runtime::SteadyTime now) const;

  runtime::Loop& loop_;
  K8sBundle bundle_;
  runtime::Logger log_;
  std::vector<std::unique_ptr<attestation::KubeWatcher>> watchers_;
  runtime::Signal wake_;
  bool updated_ = false;  // the bundle, since the last pass
  std::uint64_t sequence_number_;
};

}  // namespace steeple::devserver
