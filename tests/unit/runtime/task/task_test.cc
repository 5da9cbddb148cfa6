#include "runtime/task/task.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

#include "runtime/task/blocking.h"
#include "runtime/task/task_group.h"
#include "runtime/task/timeout.h"

namespace steeple::runtime {

namespace {

Task<int> number(int value) { co_return value; }
Task<std::unique_ptr<std::string>> text(std::string value) {
  co_return std::make_unique<std::string>(std::move(value));
}

Task<void> note(std::vector<int>* notes, int value) {
  notes->push_back(value);
  co_return;
}

// In debug builds each level of recursion would show: a hundred thousand finished tasks take no stack.
Task<int> sum(int count) {
  int total = 0;
  for (int i = 0; i < count; ++i) total += co_await number(1);
  co_return total;
}

struct Counted {
  explicit Counted(int* counter) : count(counter) { ++*count; }
  Counted(const Counted& other) : count(other.count) { ++*count; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --*count; }
  int* count;
};
Task<void> hold(Counted) { co_return; }

Task<void> yield(Loop& loop) {
  Result<void> slept = co_await sleep_until(loop, Deadline::in(std::chrono::nanoseconds(0)), StopToken());
  CHECK(slept);
}

Task<void> yields(Loop& loop, std::vector<int>* notes, int value) {
  notes->push_back(value);
  co_await yield(loop);
  notes->push_back(value + 10);
}

Task<void> until_stopped(Loop& loop, StopToken stop, std::vector<StopReason>* reasons) {
  Result<void> slept = co_await sleep_until(loop, Deadline::never(), stop);
  CHECK((!slept && slept.error().code() == ErrorCode::kCancelled));
  reasons->push_back(stop.reason());
}

Task<void> group_scenario(Loop& loop) {
  std::vector<StopReason> reasons;
  TaskGroup group(loop);
  CHECK(group.spawn(until_stopped(loop, group.token(), &reasons)));
  CHECK(group.spawn(until_stopped(loop, group.token(), &reasons)));
  CHECK(group.size() == 2);
  co_await yield(loop);
  CHECK(group.size() == 2);
  group.close(StopReason::kShutdown);
  group.close(StopReason::kFailure);  // the first reason counts
  CHECK(group.closed());
  int dropped = 0;
  CHECK_FALSE(group.spawn(hold(Counted(&dropped))));
  CHECK(dropped == 0);
  co_await group.join();
  CHECK(group.size() == 0);
  CHECK(reasons == std::vector<StopReason>{StopReason::kShutdown, StopReason::kShutdown});
  co_await group.join();  // nothing left: ends at once
}

Task<void> nested_scenario(Loop& loop) {
  std::vector<StopReason> reasons;
  TaskGroup outer(loop);
  TaskGroup inner(loop, outer.token());
  inner.spawn(until_stopped(loop, inner.token(), &reasons));
  outer.close(StopReason::kPeerGone);
  co_await inner.join();
  co_await outer.join();
  CHECK(reasons == std::vector<StopReason>{StopReason::kPeerGone});
}

// The joiner may destroy what its tasks referred to, and the group, as soon as join() has ended.
Task<void> owner_scenario(Loop& loop, int* alive) {
  auto group = std::make_unique<TaskGroup>(loop);
  auto counted = std::make_unique<Counted>(alive);
  std::vector<int> notes;
  group->spawn(yields(loop, &notes, 1));
  group->spawn(hold(*counted));
  co_await group->join();
  group.reset();
  counted.reset();
  CHECK(notes == std::vector<int>{1, 11});
}

}  // namespace

TEST_CASE("Task gives its value to the caller") {
  Loop loop;
  CHECK(run_until_done(loop, number(7)) == 7);
  CHECK(*run_until_done(loop, text("x")) == "x");
}

TEST_CASE("Task starts only when it is awaited") {
  Loop loop;
  std::vector<int> notes;
  {
    Task<void> dropped = note(&notes, 1);
  }
  CHECK(notes.empty());
  run_until_done(loop, note(&notes, 2));
  CHECK(notes == std::vector<int>{2});
}

TEST_CASE("Task destroys its arguments once, run or not") {
  Loop loop;
  int alive = 0;
  {
    Task<void> dropped = hold(Counted(&alive));
    CHECK(alive == 1);
  }
  CHECK(alive == 0);
  run_until_done(loop, hold(Counted(&alive)));
  CHECK(alive == 0);
}

TEST_CASE("Task that ends at once takes no stack, however often") {
  Loop loop;
  CHECK(run_until_done(loop, sum(100'000)) == 100'000);
}

TEST_CASE("TaskGroup runs tasks until their first wait and goes on in order") {
  Loop loop;
  std::vector<int> notes;
  TaskGroup group(loop);
  group.spawn(yields(loop, &notes, 1));
  group.spawn(yields(loop, &notes, 2));
  CHECK(notes == std::vector<int>{1, 2});
  loop.run();
  CHECK(notes == std::vector<int>{1, 2, 11, 12});
  CHECK(group.size() == 0);
}

TEST_CASE("TaskGroup refuses, stops with its reason, and joins") {
  Loop loop;
  run_until_done(loop, group_scenario(loop));
}

TEST_CASE("TaskGroup stops with its parent") {
  Loop loop;
  run_until_done(loop, nested_scenario(loop));
}

TEST_CASE("TaskGroup may be destroyed by who joined it") {
  Loop loop;
  int alive = 0;
  run_until_done(loop, owner_scenario(loop, &alive));
  CHECK(alive == 0);
}

}  // namespace steeple::runtime
