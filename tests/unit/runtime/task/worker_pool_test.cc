#include "runtime/task/worker_pool.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>

#include "runtime/task/blocking.h"

namespace steeple::runtime {

namespace {

Task<void> answer_scenario(WorkerPool& pool) {
  const std::thread::id io_thread = std::this_thread::get_id();
  auto job = [value = std::string("in")] { return std::make_pair(value + "put", std::this_thread::get_id()); };
  auto [text, worker] = co_await pool.run(job);
  CHECK(text == "input");
  CHECK(worker != io_thread);
  CHECK(std::this_thread::get_id() == io_thread);
}

struct Meeting {
  std::promise<void> first_here, second_here;
};

Task<void> meet(WorkerPool& pool, std::promise<void>* mine, std::promise<void>* other, int* met) {
  auto job = [mine, other] {
    mine->set_value();
    return other->get_future().wait_for(std::chrono::seconds(20)) == std::future_status::ready;
  };
  const bool both = co_await pool.run(job);
  if (both) ++*met;
}

Task<void> both_threads_scenario(Loop& loop, WorkerPool& pool) {
  Meeting meeting;
  int met = 0;
  TaskGroup group(loop);
  group.spawn(meet(pool, &meeting.first_here, &meeting.second_here, &met));
  group.spawn(meet(pool, &meeting.second_here, &meeting.first_here, &met));
  co_await group.join();
  CHECK(met == 2);
}

Task<void> add_one(WorkerPool& pool, std::atomic<int>* sum, int* done) {
  auto job = [sum] { return ++*sum; };
  (void)co_await pool.run(job);
  ++*done;
}

Task<void> many_scenario(Loop& loop, WorkerPool& pool) {
  std::atomic<int> sum = 0;
  int done = 0;
  TaskGroup group(loop);
  for (int i = 0; i < 200; ++i) group.spawn(add_one(pool, &sum, &done));  // far above the queue's limit
  co_await group.join();
  CHECK(sum == 200);
  CHECK(done == 200);
}

}  // namespace

TEST_CASE("WorkerPool runs a job elsewhere and answers on the loop's thread") {
  Loop loop;
  WorkerPool pool(loop, 2, 10);
  run_until_done(loop, answer_scenario(pool));
}

TEST_CASE("WorkerPool runs two jobs at once on two threads") {
  Loop loop;
  WorkerPool pool(loop, 2, 10);
  run_until_done(loop, both_threads_scenario(loop, pool));
}

TEST_CASE("WorkerPool loses no job when its queue is full") {
  Loop loop;
  WorkerPool pool(loop, 2, 4);
  run_until_done(loop, many_scenario(loop, pool));
}

TEST_CASE("WorkerPool without work starts no thread and ends at once") {
  Loop loop;
  WorkerPool pool(loop, 2, 4);
  CHECK_FALSE(loop.run());
}

}  // namespace steeple::runtime
