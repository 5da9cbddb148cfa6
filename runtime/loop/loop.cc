#include "runtime/loop/loop.h"

#include <boost/asio/post.hpp>

namespace steeple::runtime {

Loop::Loop() : io_(1) {}
Loop::~Loop() = default;

void Loop::post(std::function<void()> action) { boost::asio::post(io_, std::move(action)); }

void Loop::resume_soon(std::coroutine_handle<> waiter) {
  ready_.push_back(waiter);
  if (resume_posted_) return;
  resume_posted_ = true;
  boost::asio::post(io_, [this] { resume_ready(); });
}

void Loop::resume_ready() {
  resume_posted_ = false;
  std::swap(ready_, resuming_);
  for (std::coroutine_handle<> waiter : resuming_) waiter.resume();
  resuming_.clear();
}

bool Loop::run() {
  io_.restart();
  io_.run();
  return std::exchange(stopped_, false);
}

void Loop::stop() {
  stopped_ = true;
  io_.stop();
}

}  // namespace steeple::runtime
