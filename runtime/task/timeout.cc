#include "runtime/task/timeout.h"

#include "runtime/task/async_op.h"

namespace steeple::runtime {

Task<Result<void>> sleep_until(Loop& loop, Deadline deadline, StopToken stop) {
  if (stop.stop_requested()) co_return stop.error();
  boost::asio::steady_timer timer(loop.io(), deadline.when());
  co_await async_op<boost::system::error_code>([&](auto handler) { timer.async_wait(std::move(handler)); }, stop);
  if (stop.stop_requested()) co_return stop.error();
  co_return Result<void>();
}

struct Timeout::Shared {
  Shared(Loop& loop, Timeout* timeout_owner) : timer(loop.io()), owner(timeout_owner) {}
  boost::asio::steady_timer timer;
  Timeout* owner;
};

Timeout::Timeout(Loop& loop, Deadline deadline, StopToken parent) : source_(parent) {
  if (deadline.is_never()) return;
  shared_ = std::make_shared<Shared>(loop, this);
  shared_->timer.expires_at(deadline.when());
  shared_->timer.async_wait([shared = shared_](const boost::system::error_code& error) {
    if (!error && shared->owner) shared->owner->source_.request_stop(StopReason::kDeadline);
  });
}

Timeout::~Timeout() {
  if (!shared_) return;
  shared_->owner = nullptr;
  shared_->timer.cancel();
}

}  // namespace steeple::runtime
