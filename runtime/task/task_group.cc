#include "runtime/task/task_group.h"

#include <optional>

namespace steeple::runtime {

struct TaskGroup::Runner {
  struct promise_type {
    Runner get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

TaskGroup::~TaskGroup() { STEEPLE_ASSERT(size_ == 0); }

// The task's frame is destroyed before the group hears of its end: whoever joins may free what the task referred to.
TaskGroup::Runner TaskGroup::run(Task<void> task) {
  std::optional<Task<void>> running(std::in_place, std::move(task));
  co_await *running;
  running.reset();
  leave();
}

bool TaskGroup::spawn(Task<void> task) {
  if (closed_) return false;
  ++size_;
  run(std::move(task));
  return true;
}

void TaskGroup::leave() {
  if (--size_ == 0 && joiner_) loop_.resume_soon(std::exchange(joiner_, {}));
}

void TaskGroup::close(StopReason reason) {
  closed_ = true;
  stop_.request_stop(reason);
}

Task<void> TaskGroup::join() {
  struct Empty {
    TaskGroup& group;
    bool await_ready() const noexcept { return group.size_ == 0; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { group.joiner_ = waiter; }
    void await_resume() const noexcept {}
  };
  STEEPLE_ASSERT(!joiner_);
  while (size_ != 0) co_await Empty{*this};
}

}  // namespace steeple::runtime
