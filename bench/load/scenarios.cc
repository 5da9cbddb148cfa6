#include "bench/load/scenarios.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <span>

#include "bench/load/fetch_client.h"
#include "bench/load/process_usage.h"

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using Clock = std::chrono::steady_clock;

namespace {

class Poller {
 public:
  Poller() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {}
  ~Poller() { ::close(fd_); }
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void add(int fd, std::size_t index) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    ::epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event);
  }
  // Indexes of readable clients; at most 256 a time.
  std::span<const epoll_event> wait(int timeout_ms) {
    int count = ::epoll_wait(fd_, events_, std::size(events_), timeout_ms);
    return {events_, static_cast<std::size_t>(std::max(count, 0))};
  }

 private:
  int fd_;
  epoll_event events_[256];
};

void raise_descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Error failed(const FetchClient& client) { return Error(ErrorCode::kUnavailable, client.failure()); }

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

std::uint32_t nanoseconds_since(Clock::time_point start) {
  return static_cast<std::uint32_t>(std::min<std::int64_t>((Clock::now() - start).count(), UINT32_MAX));
}

// Opens `count` streams and waits until each has its first message; latencies are per stream from its own connect().
Result<std::vector<std::uint32_t>> open_streams(const Target& target, Poller& poller, std::vector<FetchClient>& clients,
                                                std::size_t in_flight_max, Clock::time_point give_up) {
  std::vector<Clock::time_point> started(clients.size());
  std::vector<std::uint32_t> latencies(clients.size());
  std::vector<bool> served(clients.size());
  std::size_t next = 0, answered = 0;
  while (answered < clients.size()) {
    while (next < clients.size() && next - answered < in_flight_max) {
      started[next] = Clock::now();
      if (!clients[next].start(target.socket_path)) return failed(clients[next]);
      poller.add(clients[next].fd(), next);
      ++next;
    }
    if (Clock::now() > give_up) {
      return Error(ErrorCode::kDeadline,
                   fmt::format("only {} of {} clients were served in time", answered, clients.size()));
    }
    for (const epoll_event& event : poller.wait(100)) {
      std::size_t index = event.data.u64;
      Progress progress = clients[index].on_readable();
      if (progress == Progress::kFailed) return failed(clients[index]);
      if (progress == Progress::kAnswered && !served[index]) {
        served[index] = true;
        latencies[index] = nanoseconds_since(started[index]);
        ++answered;
      }
    }
  }
  return latencies;
}

}  // namespace

Result<ClosedLoop> run_closed_loop(const Target& target, unsigned client_count, bool kept,
                                   std::chrono::nanoseconds duration) {
  raise_descriptor_limit();
  Poller poller;
  std::vector<FetchClient> clients(client_count);
  std::vector<Clock::time_point> started(client_count);
  for (unsigned index = 0; index < client_count; ++index) {
    started[index] = Clock::now();
    if (!clients[index].start(target.socket_path)) return failed(clients[index]);
    poller.add(clients[index].fd(), index);
  }
  ClosedLoop outcome;
  outcome.latencies_ns.reserve(1u << 18);
  const std::uint64_t agent_before = cpu_nanoseconds(target.pid).value_or(0),
                      own_before = cpu_nanoseconds(0).value_or(0);
  const Clock::time_point begin = Clock::now(), end = begin + duration;
  while (Clock::now() < end) {
    for (const epoll_event& event : poller.wait(1000)) {
      std::size_t index = event.data.u64;
      FetchClient& client = clients[index];
      Progress progress = client.on_readable();
      if (progress == Progress::kFailed) return failed(client);
      if (progress == Progress::kWaiting) continue;
      outcome.latencies_ns.push_back(nanoseconds_since(started[index]));
      started[index] = Clock::now();
      if (!(kept ? client.start_again() : client.start(target.socket_path))) return failed(client);
      if (!kept) poller.add(client.fd(), index);
    }
  }
  outcome.seconds = seconds_between(begin, Clock::now());
  outcome.agent_cpu_ns = target.pid == 0 ? 0 : cpu_nanoseconds(target.pid).value_or(0) - agent_before;
  outcome.own_cpu_ns = cpu_nanoseconds(0).value_or(0) - own_before;
  if (outcome.latencies_ns.empty()) return Error(ErrorCode::kDeadline, "no fetch was answered in time");
  return outcome;
}

Result<IdleStreams> run_idle_streams(const Target& target, std::size_t streams, std::chrono::nanoseconds hold) {
  raise_descriptor_limit();
  IdleStreams outcome;
  outcome.streams = streams;
  std::optional<MemoryUse> before = memory_use(target.pid);
  {
    Poller poller;
    std::vector<FetchClient> clients(streams);
    Clock::time_point begin = Clock::now();
    auto opened = open_streams(target, poller, clients, 64, begin + std::chrono::minutes(2));
    if (!opened) return std::move(opened.error());
    outcome.open_seconds = seconds_between(begin, Clock::now());
    std::uint64_t cpu = cpu_nanoseconds(target.pid).value_or(0);
    Clock::time_point held = Clock::now();
    while (Clock::now() < held + hold) {
      for (const epoll_event& event : poller.wait(100)) {
        if (clients[event.data.u64].on_readable() == Progress::kFailed) return failed(clients[event.data.u64]);
      }
    }
    if (before) {
      outcome.idle_milli_cores = static_cast<double>(cpu_nanoseconds(target.pid).value_or(cpu) - cpu) / 1e6 /
                                 seconds_between(held, Clock::now());
      outcome.before_rss_kib = before->rss_kib;
      outcome.after_rss_kib = memory_use(target.pid).value_or(MemoryUse{}).rss_kib;
      outcome.kib_per_stream = (static_cast<double>(outcome.after_rss_kib) - static_cast<double>(before->rss_kib)) /
                               static_cast<double>(streams);
    }
  }
  if (before) {
    ::sleep(5);
    if (auto after = memory_use(target.pid))
      outcome.closed_rss_ratio = static_cast<double>(after->rss_kib) / static_cast<double>(before->rss_kib);
  }
  return outcome;
}

Result<Storm> run_storm(const Target& target, std::size_t client_count, std::chrono::nanoseconds limit) {
  raise_descriptor_limit();
  Poller poller;
  std::vector<FetchClient> clients(client_count);
  Clock::time_point begin = Clock::now();
  auto opened = open_streams(target, poller, clients, client_count, begin + limit);
  if (!opened) return std::move(opened.error());
  return Storm{std::move(*opened), seconds_between(begin, Clock::now()) * 1e3};
}

Result<Push> run_push(const Target& target, std::size_t streams, std::chrono::nanoseconds limit) {
  raise_descriptor_limit();
  Poller poller;
  std::vector<FetchClient> clients(streams);
  auto opened = open_streams(target, poller, clients, 64, Clock::now() + std::chrono::minutes(2));
  if (!opened) return std::move(opened.error());
  fmt::print("{} streams are open; waiting for a push\n", streams);
  std::fflush(stdout);
  const std::uint64_t cpu = cpu_nanoseconds(target.pid).value_or(0);
  std::vector<bool> pushed(streams);
  std::size_t count = 0;
  Clock::time_point give_up = Clock::now() + limit, first{}, last{};
  while (count < streams) {
    if (Clock::now() > give_up)
      return Error(ErrorCode::kDeadline, fmt::format("{} of {} streams received the push", count, streams));
    for (const epoll_event& event : poller.wait(100)) {
      FetchClient& client = clients[event.data.u64];
      if (client.on_readable() == Progress::kFailed) return failed(client);
      if (client.pushes() == 0 || pushed[event.data.u64]) continue;
      pushed[event.data.u64] = true;
      last = Clock::now();
      if (count++ == 0) first = last;
    }
  }
  return Push{streams, seconds_between(first, last) * 1e3,
              target.pid == 0 ? 0 : cpu_nanoseconds(target.pid).value_or(cpu) - cpu};
}

}  // namespace steeple::bench
