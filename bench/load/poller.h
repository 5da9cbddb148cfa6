// The generator's event loop: which clients are readable, with waits of nanosecond grain.
#pragma once

#include <sys/epoll.h>

#include <chrono>
#include <cstddef>
#include <span>

namespace steeple::bench {

using Clock = std::chrono::steady_clock;  // CLOCK_MONOTONIC

class Poller {
 public:
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void add(int fd, std::size_t index);
  // Indexes (data.u64) of readable clients, at most 256 a time; empty when `timeout` has passed.
  std::span<const epoll_event> wait(std::chrono::nanoseconds timeout);

 private:
  int fd_;
  epoll_event events_[256];
};

inline double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}
inline std::uint64_t ns_between(Clock::time_point from, Clock::time_point to) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(to - from).count());
}

// As many descriptors as the system allows, and timers that fire when they are due. Once, at start.
void prepare_process();

}  // namespace steeple::bench
