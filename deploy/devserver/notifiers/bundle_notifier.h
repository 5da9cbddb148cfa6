// Keeps one cluster's copy of the bundle in step: at start, at each change, and again after a failure, with back-off.
// Objects with a label are looked at every kLabelsInterval, so that new ones get the bundle too. Owned by the server;
// I/O thread only.
#pragma once

#include "deploy/devserver/notifiers/k8s_bundle.h"
#include "runtime/core/log.h"
#include "runtime/task/signal.h"

namespace steeple::devserver {

inline constexpr std::chrono::seconds kPublishTimeout{60};  // one pass
inline constexpr std::chrono::seconds kLabelsInterval{10};
inline constexpr std::chrono::milliseconds kPublishRetryMin{500};
inline constexpr std::chrono::seconds kPublishRetryMax{30};

class BundleNotifier {
 public:
  BundleNotifier(runtime::Loop& loop, K8sBundle bundle, std::uint64_t sequence_number, runtime::Logger log)
      : loop_(loop),
        bundle_(std::move(bundle)),
        log_(std::move(log)),
        changed_(loop),
        sequence_number_(sequence_number) {}

  // Told with each look at the authorities; a number it does not know yet means that the bundle has changed.
  void bundle_is(std::uint64_t sequence_number);

  runtime::Task<void> run(runtime::StopToken stop);  // until stopped

 private:
  runtime::Deadline next_look(runtime::SteadyTime now) const;

  runtime::Loop& loop_;
  K8sBundle bundle_;
  runtime::Logger log_;
  runtime::Signal changed_;
  std::uint64_t sequence_number_;
};

}  // namespace steeple::devserver
