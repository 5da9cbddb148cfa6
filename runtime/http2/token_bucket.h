// How often a peer may do what costs us more than it costs the peer. A value type; time comes in. I/O thread only.
#pragma once

#include <algorithm>
#include <chrono>

#include "runtime/core/deadline.h"

namespace steeple::runtime::http2 {

class TokenBucket {
 public:
  TokenBucket(float burst, float per_second) : burst_(burst), per_second_(per_second), tokens_(burst) {}

  // False: the peer has had its share.
  bool take(SteadyTime now) {
    if (filled_ != SteadyTime()) {
      std::chrono::duration<float> passed = now - filled_;
      tokens_ = std::min(burst_, tokens_ + passed.count() * per_second_);
    }
    filled_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
  }

 private:
  float burst_;
  float per_second_;
  float tokens_;
  SteadyTime filled_{};
};

}  // namespace steeple::runtime::http2
