// What a run measured, and its one line of JSON. bench/README.md documents the keys.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/usage.h"
#include "runtime/core/result.h"

namespace steeple::bench {

struct Target {
  std::string socket_path;
  pid_t pid = 0;  // 0: CPU and memory are not read
};

// CPU of agent and generator between begin() and end(), and what the agent holds at the end.
class UsageWindow {
 public:
  runtime::Result<void> begin(const Target& target);
  runtime::Result<void> end(const Target& target);

  std::uint64_t agent_cpu_ns = 0;
  std::uint64_t own_cpu_ns = 0;
  MemoryUse before, after;
  std::uint64_t descriptors_at_end = 0;
};

// A JSON object built up key by key. Values are numbers, or JSON that the caller made.
class JsonLine {
 public:
  void number(std::string_view key, double value);
  void integer(std::string_view key, std::uint64_t value);
  void json(std::string_view key, std::string_view value);
  void latencies(std::vector<std::uint64_t>& nanoseconds);  // sorts them; "latency_us", "histogram"
  void usage(const UsageWindow& window, const Target& target, double operations);
  void print() const;  // to standard output, flushed

 private:
  void key(std::string_view name);
  std::string text_;
};

// The outcome of a measurement that an agent did not get through: `not_served` with the reason, in place of figures.
void print_not_served(std::string_view reason);

std::string json_memory(const MemoryUse& use);

}  // namespace steeple::bench
