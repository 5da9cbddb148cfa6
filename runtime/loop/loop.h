// The I/O thread's loop: one Asio io_context (epoll). Owns nothing of the application; outlives everything that runs on
// it. Everything but post() is for the I/O thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <coroutine>
#include <functional>
#include <vector>

#include "runtime/core/clock.h"

namespace steeple::runtime {

class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  boost::asio::io_context& io() { return io_; }
  SteadyTime now() const { return std::chrono::steady_clock::now(); }

  // From any thread: runs `action` on the I/O thread, later.
  void post(std::function<void()> action);

  // Resumes the coroutine in the next turn of the loop. Never inline, so the caller's invariants hold meanwhile.
  // A batch of thousands costs one wake-up.
  void resume_soon(std::coroutine_handle<> waiter);

  bool run();   // until stop() (true), or no work is left (false)
  void stop();  // returns from run() after the current handler

 private:
  void resume_ready();
  boost::asio::io_context io_;
  std::vector<std::coroutine_handle<>> ready_;
  std::vector<std::coroutine_handle<>> resuming_;
  bool resume_posted_ = false;
  bool stopped_ = false;
};

}  // namespace steeple::runtime
