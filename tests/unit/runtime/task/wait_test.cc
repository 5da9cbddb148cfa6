#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/latest.h"
#include "runtime/task/signal.h"
#include "runtime/task/timeout.h"

namespace steeple::runtime {

namespace {

Deadline soon() { return Deadline::in(std::chrono::milliseconds(2)); }

Task<void> wait_and_note(Signal& signal, Deadline deadline, StopToken stop, std::vector<std::string>* notes) {
  Result<void> waited = co_await signal.wait(deadline, stop);
  notes->push_back(waited ? "notified" : waited.error().message());
}

Task<void> signal_scenario(Loop& loop) {
  Signal signal(loop);
  std::vector<std::string> notes;
  TaskGroup group(loop);
  group.spawn(wait_and_note(signal, Deadline::never(), group.token(), &notes));
  group.spawn(wait_and_note(signal, Deadline::in(std::chrono::hours(1)), group.token(), &notes));
  CHECK(signal.has_waiter());
  signal.notify();
  CHECK(notes.empty());  // never inside notify()
  CHECK_FALSE(signal.has_waiter());
  co_await group.join();
  CHECK(notes == std::vector<std::string>{"notified", "notified"});

  // Kept for the next wait, once.
  signal.notify();
  signal.notify();
  notes.clear();
  co_await wait_and_note(signal, Deadline::never(), StopToken(), &notes);
  co_await wait_and_note(signal, soon(), StopToken(), &notes);
  CHECK(notes == std::vector<std::string>{"notified", "deadline exceeded"});

  // A stop ends the wait; a notify() after it is not lost.
  notes.clear();
  group.spawn(wait_and_note(signal, Deadline::in(std::chrono::hours(1)), group.token(), &notes));
  group.close(StopReason::kShutdown);
  signal.notify();
  co_await group.join();
  co_await wait_and_note(signal, Deadline::never(), StopToken(), &notes);
  CHECK(notes == std::vector<std::string>{"shutting down", "notified"});
  co_await wait_and_note(signal, Deadline::never(), group.token(), &notes);
  CHECK(notes.back() == "shutting down");
}

// Whoever is woken may destroy the signal before the others have run.
Task<void> wait_on_owned(std::unique_ptr<Signal>& signal, StopToken stop, int* woken) {
  Result<void> waited = co_await signal->wait(Deadline::in(std::chrono::hours(1)), stop);
  CHECK(waited);
  ++*woken;
  signal.reset();
}

Task<void> destroyed_signal_scenario(Loop& loop) {
  auto signal = std::make_unique<Signal>(loop);
  int woken = 0;
  TaskGroup group(loop);
  group.spawn(wait_on_owned(signal, group.token(), &woken));
  group.spawn(wait_on_owned(signal, group.token(), &woken));
  signal->notify();
  co_await group.join();
  CHECK(woken == 2);
}

Task<void> latest_scenario(Loop& loop) {
  Latest<std::string> latest(loop);
  latest.set("one");
  latest.set("two");
  CHECK(latest.has_value());
  Result<std::string> newest = co_await latest.next(Deadline::never(), StopToken());
  CHECK((newest && *newest == "two"));
  Result<std::string> none = co_await latest.next(soon(), StopToken());
  CHECK((!none && none.error().code() == ErrorCode::kDeadline));
  latest.set("three");
  CHECK(latest.take() == "three");
  CHECK_FALSE(latest.take().has_value());
  none = co_await latest.next(soon(), StopToken());  // what was taken is not waited for again
  CHECK_FALSE(none);
  StopSource stop;
  stop.request_stop(StopReason::kShutdown);
  latest.set("four");
  newest = co_await latest.next(Deadline::never(), stop.token());  // there is one: no reason to fail
  CHECK((newest && *newest == "four"));
  none = co_await latest.next(Deadline::never(), stop.token());
  CHECK((!none && none.error().code() == ErrorCode::kCancelled));
}

Task<void> sleep_scenario(Loop& loop) {
  const SteadyTime before = loop.now();
  Result<void> slept = co_await sleep_until(loop, soon(), StopToken());
  CHECK(slept);
  CHECK(loop.now() - before >= std::chrono::milliseconds(2));
  slept = co_await sleep_until(loop, Deadline(before), StopToken());  // long past
  CHECK(slept);
  StopSource stop;
  boost::asio::post(loop.io(), [&] { stop.request_stop(StopReason::kPeerGone); });
  slept = co_await sleep_until(loop, Deadline::never(), stop.token());
  CHECK((!slept && slept.error() == Error(ErrorCode::kCancelled, "peer is gone")));
  slept = co_await sleep_until(loop, soon(), stop.token());
  CHECK_FALSE(slept);
}

Task<void> timeout_scenario(Loop& loop) {
  {
    Timeout timeout(loop, soon(), StopToken());
    Result<void> slept = co_await sleep_until(loop, Deadline::never(), timeout.token());
    CHECK((!slept && slept.error() == Error(ErrorCode::kDeadline, "deadline exceeded")));
  }
  StopSource parent;
  {
    Timeout timeout(loop, Deadline::in(std::chrono::hours(1)), parent.token());
    boost::asio::post(loop.io(), [&] { parent.request_stop(StopReason::kShutdown); });
    Result<void> slept = co_await sleep_until(loop, Deadline::never(), timeout.token());
    CHECK((!slept && slept.error() == Error(ErrorCode::kCancelled, "shutting down")));
  }
  Timeout stopped(loop, Deadline::never(), parent.token());
  CHECK(stopped.token().stop_requested());
  for (int i = 0; i < 100; ++i)
    Timeout dropped(loop, Deadline(loop.now()), StopToken());  // its timer fires after its end
  Result<void> slept = co_await sleep_until(loop, soon(), StopToken());
  CHECK(slept);
}

Task<void> async_op_scenario(Loop& loop) {
  // A handler that is called inside the initiating function.
  auto [number, text] = co_await async_op<int, std::string>([](auto handler) { handler(7, std::string("now")); });
  CHECK(number == 7);
  CHECK(text == "now");
  // One that is called later.
  auto [later] = co_await async_op<int>(
      [&](auto handler) { boost::asio::post(loop.io(), [handler = std::move(handler)]() mutable { handler(8); }); });
  CHECK(later == 8);
  // One that had been stopped before it began.
  StopSource stop;
  stop.request_stop(StopReason::kShutdown);
  boost::asio::steady_timer timer(loop.io(), std::chrono::hours(1));
  auto [error] = co_await async_op<boost::system::error_code>(
      [&](auto handler) { timer.async_wait(std::move(handler)); }, stop.token());
  CHECK(error == boost::asio::error::operation_aborted);
}

// Thousands of waits that end at once, each in the handler of the one before, take no stack.
Task<void> many_scenario() {
  for (int i = 0; i < 100'000; ++i) {
    auto [number] = co_await async_op<int>([](auto handler) { handler(1); });
    if (number != 1) CHECK(number == 1);
  }
}

}  // namespace

TEST_CASE("Signal wakes all its waiters, keeps one edge, and ends with deadline or stop") {
  Loop loop;
  run_until_done(loop, signal_scenario(loop));
}

TEST_CASE("Signal may be destroyed by a waiter that it woke") {
  Loop loop;
  run_until_done(loop, destroyed_signal_scenario(loop));
}

TEST_CASE("Latest gives the newest value once") {
  Loop loop;
  run_until_done(loop, latest_scenario(loop));
}

TEST_CASE("sleep_until ends at its deadline or when stopped") {
  Loop loop;
  run_until_done(loop, sleep_scenario(loop));
}

TEST_CASE("Timeout stops at its deadline or with its parent, and may end before its timer") {
  Loop loop;
  run_until_done(loop, timeout_scenario(loop));
}

TEST_CASE("async_op gives results that come at once, later, or by cancellation") {
  Loop loop;
  run_until_done(loop, async_op_scenario(loop));
}

TEST_CASE("async_op that ends at once takes no stack, however often") {
  Loop loop;
  run_until_done(loop, many_scenario());
}

}  // namespace steeple::runtime
