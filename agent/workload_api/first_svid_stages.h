// The stages of the way to a caller's first X509-SVIDs, timed for metrics. Without anybody to tell, nothing is timed.
// I/O thread only.
#pragma once

#include <chrono>
#include <functional>

#include "runtime/core/clock.h"

namespace steeple::agent {

enum class FirstSvidStage {
  kAttest,     // who calls
  kMatch,      // which entries apply, the wait for a synchronisation included
  kSign,       // until each of them has its SVID
  kFirstByte,  // from the call's start until its answer is handed to the connection
};

using FirstSvidSeen = std::function<void(FirstSvidStage stage, std::chrono::nanoseconds elapsed)>;

class FirstSvidTimer {
 public:
  // `seen` outlives the timer; null or empty: nothing is timed.
  explicit FirstSvidTimer(const FirstSvidSeen* seen) : seen_(seen != nullptr && *seen ? seen : nullptr) {
    if (seen_ != nullptr) began_ = last_ = std::chrono::steady_clock::now();
  }
  // This stage has ended: it took as long as it is since the one before.
  void passed(FirstSvidStage stage) {
    if (seen_ == nullptr) return;
    const runtime::SteadyTime now = std::chrono::steady_clock::now();
    (*seen_)(stage, now - last_);
    last_ = now;
  }
  // The answer is on its way. Once; what follows is no longer a first SVID.
  void answered() {
    if (seen_ == nullptr) return;
    (*seen_)(FirstSvidStage::kFirstByte, std::chrono::steady_clock::now() - began_);
    seen_ = nullptr;
  }

 private:
  const FirstSvidSeen* seen_;
  runtime::SteadyTime began_;
  runtime::SteadyTime last_;
};

}  // namespace steeple::agent
