// One process in each pod's cgroup: it opens its streams when it is told to, and holds them until it is told to leave.
// What it has seen comes back through memory that all of them share.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/load/poller.h"
#include "bench/load/scenarios.h"

namespace steeple::bench {

struct PodReport {
  char failure[240];  // empty: fine; ends with a zero
};

// What pods and their parent share: a report for each pod, a latency for each stream.
class PodBoard {
 public:
  static runtime::Result<PodBoard> make(std::size_t pods, std::size_t streams);
  PodBoard(PodBoard&& other) noexcept;
  PodBoard& operator=(PodBoard&&) = delete;
  ~PodBoard();

  PodReport& report(std::size_t pod) { return reports_[pod]; }
  std::span<std::uint64_t> latencies() { return {latencies_, streams_}; }  // ns; 0: not answered yet

 private:
  PodBoard() = default;
  void* memory_ = nullptr;
  std::size_t size_ = 0, streams_ = 0;
  PodReport* reports_ = nullptr;
  std::uint64_t* latencies_ = nullptr;
};

// The parent's end of all pods. Ends and reaps them when it dies.
class PodProcesses {
 public:
  static runtime::Result<PodProcesses> start(const Plan& plan, PodBoard& board);
  PodProcesses(PodProcesses&& other) noexcept;
  PodProcesses& operator=(PodProcesses&&) = delete;
  ~PodProcesses() { leave(); }

  void go(std::size_t pods);  // so many more may open their streams
  // The next pod that has entered its cgroup (once) or is through with its streams (once); its failure; or kDeadline.
  runtime::Result<std::size_t> next(PodBoard& board, Clock::time_point until);
  void leave();  // all close their streams and end

 private:
  PodProcesses() = default;
  std::vector<pid_t> pids_;
  int told_ = -1, go_ = -1, leave_ = -1;
};

}  // namespace steeple::bench
