#include "runtime/task/signal.h"

#include <optional>

#include "runtime/task/timeout.h"

namespace steeple::runtime {

struct Signal::Waiter {
  explicit Waiter(Signal& owner) : signal(owner) {}
  Signal& signal;
  Waiter* next = nullptr;
  Waiter* previous = nullptr;
  std::coroutine_handle<> handle;
  std::optional<StopCallback> on_stop;
  StopToken stop;
  bool queued = false;
  bool notified = false;

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    handle = waiter;
    next = signal.first_;
    if (next) next->previous = this;
    signal.first_ = this;
    queued = true;
    on_stop.emplace(stop, [this](StopReason) { signal.wake(*this); });
  }
  void await_resume() {}
};

Signal::~Signal() { STEEPLE_ASSERT(first_ == nullptr); }

void Signal::wake(Waiter& waiter) {
  if (!waiter.queued) return;
  waiter.queued = false;
  if (waiter.previous) waiter.previous->next = waiter.next;
  if (waiter.next) waiter.next->previous = waiter.previous;
  if (first_ == &waiter) first_ = waiter.next;
  loop_.resume_soon(waiter.handle);
}

void Signal::notify() {
  if (first_ == nullptr) {
    notified_ = true;
    return;
  }
  while (first_) {
    first_->notified = true;
    wake(*first_);
  }
}

Task<Result<void>> Signal::wait(Deadline deadline, StopToken stop) {
  if (notified_) {
    notified_ = false;
    co_return Result<void>();
  }
  if (stop.stop_requested()) co_return stop.error();
  std::optional<Timeout> timeout;
  if (!deadline.is_never()) timeout.emplace(loop_, deadline, stop);
  Waiter waiter(*this);
  waiter.stop = timeout ? timeout->token() : stop;
  co_await waiter;
  if (waiter.notified) co_return Result<void>();
  co_return waiter.stop.error();
}

}  // namespace steeple::runtime
