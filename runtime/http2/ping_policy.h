// When a client pings too often (endpoints 1.3, keepalive enforcement): the first ping is free, pings closer than 5
// minutes (2 hours with no stream open) are strikes, frames we send clear the strikes, and the third strike ends the
// connection.
#pragma once

#include <chrono>
#include <cstddef>

#include "runtime/core/deadline.h"

namespace steeple::runtime::http2 {

class PingPolicy {
 public:
  static constexpr std::chrono::minutes kIntervalMin{5};
  static constexpr std::chrono::hours kIntervalMinWithoutStream{2};
  static constexpr int kStrikesMax = 2;

  // False: too many pings.
  bool on_ping(SteadyTime now, std::size_t open_streams);
  // HEADERS or DATA went out.
  void on_answer_sent() { cleared_ = true; }

 private:
  SteadyTime last_ping_{};
  int strikes_ = 0;
  bool cleared_ = false;
};

}  // namespace steeple::runtime::http2
