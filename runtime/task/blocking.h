// For command-line tools and tests: runs a loop until one task has ended, and gives its value.
#pragma once

#include <optional>

#include "runtime/task/task_group.h"

namespace steeple::runtime {

namespace detail {
template <class T>
Task<void> keep_value(Task<T> task, std::optional<T>* value, Loop* loop) {
  value->emplace(co_await std::move(task));
  loop->stop();
}
inline Task<void> keep_end(Task<void> task, Loop* loop) {
  co_await std::move(task);
  loop->stop();
}
}  // namespace detail

// The loop needs pending work for as long as the task waits (a timer, a socket, a worker's job); a task that waits for
// nothing asserts. Another part that stops the loop meanwhile is overruled.
template <class T>
T run_until_done(Loop& loop, Task<T> task) {
  TaskGroup group(loop);
  std::conditional_t<std::is_void_v<T>, char, std::optional<T>> value{};
  if constexpr (std::is_void_v<T>) {
    group.spawn(detail::keep_end(std::move(task), &loop));
  } else {
    group.spawn(detail::keep_value(std::move(task), &value, &loop));
  }
  while (group.size() != 0) {
    const bool waits_for_nothing = !loop.run();
    STEEPLE_ASSERT(!waits_for_nothing || group.size() == 0);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*value);
}

}  // namespace steeple::runtime
