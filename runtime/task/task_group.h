// The owner of started tasks: refuses new ones once closed, stops them with a reason, and is awaited until empty.
// Its destructor asserts that it is empty: close() and co_await join() first. I/O thread only.
#pragma once

#include <cstddef>

#include "runtime/loop/loop.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::runtime {

class TaskGroup {
 public:
  explicit TaskGroup(Loop& loop, StopToken parent = {}) : loop_(loop), stop_(parent) {}
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Runs the task until its first wait, now. False (and the task is dropped unstarted) when the group is closed.
  bool spawn(Task<void> task);

  StopToken token() { return stop_.token(); }
  bool closed() const { return closed_; }
  std::size_t size() const { return size_; }

  void close(StopReason reason);  // no new tasks; the token stops
  Task<void> join();              // until empty; one joiner

 private:
  struct Runner;
  Runner run(Task<void> task);
  void leave();
  Loop& loop_;
  StopSource stop_;
  std::size_t size_ = 0;
  bool closed_ = false;
  std::coroutine_handle<> joiner_;
};

}  // namespace steeple::runtime
