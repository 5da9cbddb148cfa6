// "Something changed": an edge. notify() wakes every waiter in the loop's next turn; a notify() without a waiter is
// kept for the next wait(). With Latest<T>, the only way for one part to wait for another. I/O thread only.
#pragma once

#include "runtime/core/deadline.h"
#include "runtime/loop/loop.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::runtime {

class Signal {
 public:
  explicit Signal(Loop& loop) : loop_(loop) {}
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

  void notify();
  // Ends with a value when notified; kDeadline or the token's error else. No timer is made for Deadline::never().
  Task<Result<void>> wait(Deadline deadline, StopToken stop);
  bool has_waiter() const { return first_ != nullptr; }
  Loop& loop() { return loop_; }

 private:
  struct Waiter;
  void wake(Waiter& waiter);
  Loop& loop_;
  Waiter* first_ = nullptr;
  bool notified_ = false;
};

}  // namespace steeple::runtime
