#include "runtime/task/worker_pool.h"

#include <signal.h>

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
  if (queue_.size() >= queue_max_) {
    // Full: the job runs here and now. Slower for others, but nothing is lost and nothing grows.
    lock.unlock();
    (*work)();
    loop_.resume_soon(waiter);
    return;
  }
  queue_.push_back(Queued{work, waiter});
  if (threads_.size() < threads_max_ && threads_.size() < queue_.size()) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals belong to the I/O thread
    threads_.emplace_back([this] { work_until_stopped(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  lock.unlock();
  wake_.notify_one();
}

void WorkerPool::work_until_stopped() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Queued job = queue_.front();
    queue_.pop_front();
    lock.unlock();
    (*job.work)();
    loop_.post([waiter = job.waiter] { waiter.resume(); });
    lock.lock();
  }
}

}  // namespace steeple::runtime
