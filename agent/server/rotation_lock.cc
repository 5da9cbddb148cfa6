#include "agent/server/rotation_lock.h"

namespace steeple::agent {

using runtime::Result;
using runtime::Task;

RotationLock::Holder& RotationLock::Holder::operator=(Holder&& other) noexcept {
  if (this != &other) {
    release();
    lock_ = std::exchange(other.lock_, nullptr);
    alone_ = other.alone_;
  }
  return *this;
}

void RotationLock::Holder::release() {
  RotationLock* lock = std::exchange(lock_, nullptr);
  if (lock == nullptr) return;
  if (alone_) {
    lock->held_alone_ = false;
  } else {
    --lock->shared_;
  }
  lock->admit();
}

Task<Result<RotationLock::Holder>> RotationLock::share(runtime::Deadline deadline, runtime::StopToken stop) {
  return enter(false, deadline, stop);
}

Task<Result<RotationLock::Holder>> RotationLock::take_alone(runtime::Deadline deadline, runtime::StopToken stop) {
  return enter(true, deadline, stop);
}

Task<Result<RotationLock::Holder>> RotationLock::enter(bool alone, runtime::Deadline deadline,
                                                       runtime::StopToken stop) {
  if (waiting_.empty() && free_for(alone)) {
    hold(alone);
    co_return Holder(this, alone);
  }
  Waiter waiter(loop_, alone);
  auto place = waiting_.insert(waiting_.end(), &waiter);
  Result<void> waited = co_await waiter.turn.wait(deadline, stop);
  if (waiter.admitted) co_return Holder(this, alone);
  waiting_.erase(place);
  admit();  // those behind may have waited for this one only
  co_return std::move(waited.error());
}

void RotationLock::hold(bool alone) {
  if (alone) {
    held_alone_ = true;
  } else {
    ++shared_;
  }
}

void RotationLock::admit() {
  while (!waiting_.empty() && free_for(waiting_.front()->alone)) {
    Waiter& next = *waiting_.front();
    waiting_.pop_front();
    hold(next.alone);
    next.admitted = true;
    next.turn.notify();
  }
}

}  // namespace steeple::agent
