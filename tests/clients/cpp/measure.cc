#include "measure.h"

#include <grpcpp/grpcpp.h>
#include <sys/resource.h>

#include <boost/json.hpp>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "workload_api.h"

namespace {

namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr std::chrono::milliseconds kWarmUp{300};
constexpr std::chrono::seconds kUpdateTimeout{120};

void show(const json::object& line) {
  std::puts(json::serialize(line).c_str());
  std::fflush(stdout);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Tells who measures that everything is warm, and waits for a line from them.
void ready() {
  show({{"ready", true}, {"library", "gRPC C++ " + grpc::Version()}});
  int character = 0;
  while (character != '\n') {
    character = std::getchar();
    if (character == EOF) throw std::runtime_error("standard input has ended");
  }
}

void repeat(double seconds, const std::function<void()>& call) {
  for (const auto end = Clock::now() + kWarmUp; Clock::now() < end;) call();
  ready();
  json::array latencies;
  const double cpu = cpu_seconds();
  const auto begin = Clock::now();
  for (auto last = begin; Seconds(last - begin).count() < seconds;) {
    call();
    const auto now = Clock::now();
    latencies.emplace_back(std::chrono::nanoseconds(now - last).count());
    last = now;
  }
  show({{"latencies_ns", std::move(latencies)},
        {"seconds", Seconds(Clock::now() - begin).count()},
        {"cpu_s", cpu_seconds() - cpu}});
}

// When streams had updates.
class Arrivals {
 public:
  void add() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const std::lock_guard lock(mutex_);
    times_.emplace_back(std::chrono::nanoseconds(now).count());
    changed_.notify_one();
  }
  json::array take(std::size_t count) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kUpdateTimeout, [&] { return times_.size() >= count; })) {
      throw std::runtime_error("not all streams have the update");
    }
    return std::exchange(times_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  json::array times_;
};

void watch(std::size_t streams) {
  static Arrivals arrivals;  // outlives the threads, which end with the process
  for (std::size_t stream = 0; stream < streams; ++stream) {
    std::thread([] {
      WorkloadApi().watch([](const X509SVIDResponse&) {
        arrivals.add();
        return true;
      });
    }).detach();
  }
  arrivals.take(streams);
  ready();
  const double cpu = cpu_seconds();
  json::array times = arrivals.take(streams);
  show({{"arrivals_ns", std::move(times)}, {"cpu_s", cpu_seconds() - cpu}});
}

}  // namespace

void measure(const std::vector<std::string>& arguments) {
  const std::string& kind = arguments[0];
  const double amount = std::stod(arguments[1]);
  if (!(amount > 0)) throw std::runtime_error("not a positive number: " + arguments[1]);
  if (kind == "fetch" && arguments.size() == 2) return repeat(amount, [] { WorkloadApi().x509_svid(); });
  if (kind == "jwt" && arguments.size() == 3) {
    WorkloadApi api;
    return repeat(amount, [&] { api.jwt_svid(arguments[2]); });
  }
  if (kind == "watch" && arguments.size() == 2) return watch(static_cast<std::size_t>(amount));
  throw std::runtime_error("no such measurement: " + kind);
}
