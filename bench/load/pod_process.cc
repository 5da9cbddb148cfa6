#include "bench/load/pod_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "bench/load/streams.h"

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t kOpenAtOnce = 64;  // streams of one pod
constexpr std::size_t kLeaveMark = SIZE_MAX;

struct Pipe {
  int read = -1, write = -1;
  bool open() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = ends[0], write = ends[1];
    return true;
  }
};

struct Pod {
  const Plan& plan;
  PodBoard& board;
  std::size_t number;
  Pipe told, go, leave;

  std::size_t first() const { return plan.streams * number / plan.cgroups.size(); }
  std::size_t last() const { return plan.streams * (number + 1) / plan.cgroups.size(); }
};

Result<void> enter_cgroup(const std::string& folder) {
  std::FILE* file = std::fopen((folder + "/cgroup.procs").c_str(), "we");
  if (file == nullptr) return runtime::system_error(folder, errno);
  std::fputs("0\n", file);
  if (std::fclose(file) != 0) return runtime::system_error(folder, errno);
  return {};
}

void tell(const Pod& pod) {
  const auto number = static_cast<std::uint32_t>(pod.number);
  if (::write(pod.told.write, &number, sizeof number) != sizeof number) ::_exit(1);
}

void tell_failure(const Pod& pod, const Error& error) {
  PodReport& report = pod.board.report(pod.number);
  const std::string_view text = error.message();
  std::memcpy(report.failure, text.data(), std::min(text.size(), sizeof report.failure - 1));
  tell(pod);
  ::_exit(1);
}

// Holds the streams until the parent has closed its end.
Result<void> hold(const Pod& pod, Streams& streams) {
  streams.poller.add(pod.leave.read, kLeaveMark);
  for (;;) {
    for (const epoll_event& event : streams.poller.wait(1h)) {
      if (event.data.u64 == kLeaveMark) return {};
      Client& client = streams.clients[event.data.u64];
      if (client.on_readable() == Progress::kFailed) return failed(client);
    }
  }
}

Result<void> live(const Pod& pod) {
  STEEPLE_CHECK(enter_cgroup(pod.plan.cgroups[pod.number]));
  tell(pod);
  char byte = 0;
  if (::read(pod.go.read, &byte, 1) != 1) return {};  // the parent has given up
  const std::size_t count = pod.last() - pod.first();
  Streams streams(count);
  Plan patient = pod.plan;  // the parent gives up first, and says how many pods are through
  patient.limit *= 2;
  STEEPLE_CHECK(streams.open(patient, 0, count, kOpenAtOnce));
  std::copy(streams.latencies.begin(), streams.latencies.end(), pod.board.latencies().begin() + pod.first());
  tell(pod);
  return hold(pod, streams);
}

[[noreturn]] void become(const Pod& pod) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::close(pod.go.write);
  ::close(pod.leave.write);
  if (auto lived = live(pod); !lived) tell_failure(pod, lived.error());
  ::_exit(0);
}

}  // namespace

Result<PodBoard> PodBoard::make(std::size_t pods, std::size_t streams) {
  PodBoard board;
  board.size_ = pods * sizeof(PodReport) + streams * sizeof(std::uint64_t);
  board.streams_ = streams;
  board.memory_ = ::mmap(nullptr, board.size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (board.memory_ == MAP_FAILED) {
    board.memory_ = nullptr;
    return runtime::system_error("mmap", errno);
  }
  board.latencies_ = static_cast<std::uint64_t*>(board.memory_);
  board.reports_ = reinterpret_cast<PodReport*>(board.latencies_ + streams);
  return board;
}

PodBoard::PodBoard(PodBoard&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      size_(other.size_),
      streams_(other.streams_),
      reports_(other.reports_),
      latencies_(other.latencies_) {}

PodBoard::~PodBoard() {
  if (memory_ != nullptr) ::munmap(memory_, size_);
}

PodProcesses::PodProcesses(PodProcesses&& other) noexcept
    : pids_(std::exchange(other.pids_, {})),
      told_(std::exchange(other.told_, -1)),
      go_(std::exchange(other.go_, -1)),
      leave_(std::exchange(other.leave_, -1)) {}

Result<PodProcesses> PodProcesses::start(const Plan& plan, PodBoard& board) {
  PodProcesses out;
  Pipe told, go, leave;
  if (!told.open() || !go.open() || !leave.open()) return runtime::system_error("pipe", errno);
  out.told_ = told.read, out.go_ = go.write, out.leave_ = leave.write;
  for (std::size_t number = 0; number < plan.cgroups.size(); ++number) {
    const pid_t pid = ::fork();
    if (pid == 0) become(Pod{plan, board, number, told, go, leave});
    if (pid < 0) return runtime::system_error("fork", errno);
    out.pids_.push_back(pid);
  }
  ::close(told.write), ::close(go.read), ::close(leave.read);
  return out;
}

void PodProcesses::go(std::size_t pods) {
  const std::string bytes(pods, '\0');
  static_cast<void>(!::write(go_, bytes.data(), bytes.size()));  // a pod that is gone says so itself
}

Result<std::size_t> PodProcesses::next(PodBoard& board, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
  pollfd waiting{told_, POLLIN, 0};
  std::uint32_t number = 0;
  if (::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0)
    return Error(ErrorCode::kDeadline, "no pod is through in time");
  if (::read(told_, &number, sizeof number) != sizeof number)
    return Error(ErrorCode::kUnavailable, "the pods' processes have ended");
  if (board.report(number).failure[0] != '\0')
    return Error(ErrorCode::kUnavailable, fmt::format("pod {}: {}", number, board.report(number).failure));
  return number;
}

void PodProcesses::leave() {
  for (int* end : {&leave_, &go_, &told_}) {
    if (*end >= 0) ::close(std::exchange(*end, -1));
  }
  for (pid_t pid : pids_) ::kill(pid, SIGKILL);
  for (pid_t pid : pids_) ::waitpid(pid, nullptr, 0);
  pids_.clear();
}

}  // namespace steeple::bench
