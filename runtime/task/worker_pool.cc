#include "runtime/task/worker_pool.h"

#include <signal.h>

#include <system_error>

namespace steeple::runtime {

WorkerPool::WorkerPool(Loop& loop, unsigned threads, std::size_t queue_max)
    : loop_(loop), threads_max_(threads), queue_max_(queue_max) {}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::submit(std::function<void()>* work, std::coroutine_handle<> waiter) {
  std::unique_lock lock(mutex_);
  const bool wanted = threads_.size() < threads_max_ && threads_.size() < busy_ + queue_.size() + 1;
  const bool served = (wanted && start_thread()) || !threads_.empty();
  if (!served || queue_.size() >= queue_max_) {
    // Full, or no thread to be had: the job runs here and now. Slower for others, but nothing is lost and nothing
    // grows.
    lock.unlock();
    (*work)();
    loop_.resume_soon(waiter);
    return;
  }
  queue_.push_back(Queued{work, waiter, LoopGuard(loop_.io().get_executor())});
  lock.unlock();
  wake_.notify_one();
}

bool WorkerPool::start_thread() {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // signals belong to the I/O thread
  const std::size_t threads_before = threads_.size();
  try {
    threads_.emplace_back([this] { work_until_stopped(); });
  } catch (const std::system_error&) {
    // The limit of processes or of memory; asked again with the next job.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return threads_.size() > threads_before;
}

void WorkerPool::work_until_stopped() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Queued job = std::move(queue_.front());
    queue_.pop_front();
    ++busy_;
    lock.unlock();
    (*job.work)();
    loop_.post([waiter = job.waiter] { waiter.resume(); });
    job.guard.reset();
    lock.lock();
    --busy_;
  }
}

}  // namespace steeple::runtime
