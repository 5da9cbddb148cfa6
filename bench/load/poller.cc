#include "bench/load/poller.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <ctime>

namespace steeple::bench {

Poller::Poller() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {}
Poller::~Poller() { ::close(fd_); }

void Poller::add(int fd, std::size_t index) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  ::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event);
}

std::span<const epoll_event> Poller::wait(std::chrono::nanoseconds timeout) {
  const std::int64_t nanoseconds = std::max<std::int64_t>(timeout.count(), 0);
  const timespec limit{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
  int count = ::epoll_pwait2(fd_, events_, std::size(events_), &limit, nullptr);
  return {events_, static_cast<std::size_t>(std::max(count, 0))};
}

void prepare_process() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::prctl(PR_SET_TIMERSLACK, 1);
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace steeple::bench
