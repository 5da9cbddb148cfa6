#include "runtime/http2/ping_policy.h"

namespace steeple::runtime::http2 {

bool PingPolicy::on_ping(SteadyTime now, std::size_t open_streams) {
  SteadyTime previous = last_ping_;
  last_ping_ = now;
  if (cleared_) {
    cleared_ = false;
    strikes_ = 0;
    return true;
  }
  if (previous == SteadyTime()) return true;
  std::chrono::nanoseconds interval = open_streams == 0 ? kIntervalMinWithoutStream : kIntervalMin;
  if (now - previous < interval) ++strikes_;
  return strikes_ <= kStrikesMax;
}

}  // namespace steeple::runtime::http2
