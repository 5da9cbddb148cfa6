// One or two threads for pure functions that take more than a millisecond (RSA keys, CSR batches, hashing, big JSON).
// A job gets its input by value, touches no shared state, and its result comes back on the I/O thread.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/loop/loop.h"
#include "runtime/task/task.h"

namespace steeple::runtime {

class WorkerPool {
 public:
  // Threads start with the first job, so that an idle process has none.
  WorkerPool(Loop& loop, unsigned threads, std::size_t queue_max);
  ~WorkerPool();  // waits for running jobs
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs `job` on a worker. The await always ends with the job's result: bound the job, not the wait.
  template <class Job>
  auto run(Job job) -> Task<decltype(job())> {
    using T = decltype(job());
    std::optional<T> result;
    std::function<void()> work = [&] { result.emplace(job()); };
    co_await Submitted{*this, &work};
    co_return std::move(*result);
  }

 private:
  struct Submitted {
    WorkerPool& pool;
    std::function<void()>* work;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) { pool.submit(work, waiter); }
    void await_resume() const noexcept {}
  };
  // The loop keeps running while a job is under way.
  using LoopGuard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
  struct Queued {
    std::function<void()>* work;
    std::coroutine_handle<> waiter;
    LoopGuard guard;
  };
  void submit(std::function<void()>* work, std::coroutine_handle<> waiter);
  void work_until_stopped();
  bool start_thread();

  Loop& loop_;
  unsigned threads_max_;
  std::size_t queue_max_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Queued> queue_;
  bool stopping_ = false;
  std::size_t busy_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace steeple::runtime
