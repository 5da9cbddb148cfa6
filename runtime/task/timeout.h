// Bounded waits. `sleep_until` waits; `Timeout` is a StopSource that fires at a deadline or with its parent, for waits
// whose operation only takes a StopToken.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include "runtime/core/deadline.h"
#include "runtime/loop/loop.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::runtime {

// Ends with a value at the deadline, or with the token's error when it stops first.
Task<Result<void>> sleep_until(Loop& loop, Deadline deadline, StopToken stop);

class Timeout {
 public:
  Timeout(Loop& loop, Deadline deadline, StopToken parent);
  ~Timeout();
  Timeout(const Timeout&) = delete;
  Timeout& operator=(const Timeout&) = delete;
  StopToken token() { return source_.token(); }

 private:
  struct Shared;
  StopSource source_;
  std::shared_ptr<Shared> shared_;  // the timer's handler may run after this object is gone
};

}  // namespace steeple::runtime
