#include "bench/load/outcome.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <numeric>

namespace steeple::bench {

using runtime::Result;

namespace {

double percentile_us(const std::vector<std::uint64_t>& sorted, double part) {
  auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size())));
  return static_cast<double>(sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1]) / 1e3;
}

// The upper end of the bucket a value falls in: 16 buckets for each power of two, so at most 6.25 % too high.
std::uint64_t bucket_end(std::uint64_t value) {
  if (value < 16) return value;
  const int shift = std::bit_width(value) - 5;
  return ((value >> shift) + 1) << shift;
}

std::string histogram(const std::vector<std::uint64_t>& sorted) {
  std::string out = "[";
  for (std::size_t first = 0; first < sorted.size();) {
    const std::uint64_t end = bucket_end(sorted[first]);
    std::size_t next = first;
    while (next < sorted.size() && bucket_end(sorted[next]) == end) ++next;
    fmt::format_to(std::back_inserter(out), "{}[{:.3f},{}]", first == 0 ? "" : ",", static_cast<double>(end) / 1e3,
                   next - first);
    first = next;
  }
  return out + "]";
}

}  // namespace

Result<void> UsageWindow::begin(const Target& target) {
  STEEPLE_TRY(memory, memory_use(target.pid));
  before = memory;
  STEEPLE_TRY(agent, cpu_ns(target.pid));
  agent_cpu_ns = agent;
  own_cpu_ns = bench::own_cpu_ns();
  return {};
}

Result<void> UsageWindow::end(const Target& target) {
  STEEPLE_TRY(agent, cpu_ns(target.pid));
  agent_cpu_ns = agent - agent_cpu_ns;
  own_cpu_ns = bench::own_cpu_ns() - own_cpu_ns;
  STEEPLE_TRY(memory, memory_use(target.pid));
  after = memory;
  descriptors_at_end = descriptors(target.pid);
  return {};
}

std::string json_memory(const MemoryUse& use) {
  return fmt::format(R"({{"rss_kib":{},"pss_kib":{},"private_kib":{},"peak_kib":{}}})", use.rss_kib, use.pss_kib,
                     use.private_kib, use.peak_kib);
}

void JsonLine::key(std::string_view name) {
  fmt::format_to(std::back_inserter(text_), "{}\"{}\":", text_.empty() ? "{" : ",", name);
}

void JsonLine::number(std::string_view name, double value) {
  key(name);
  fmt::format_to(std::back_inserter(text_), "{:.6g}", value);
}

void JsonLine::integer(std::string_view name, std::uint64_t value) {
  key(name);
  fmt::format_to(std::back_inserter(text_), "{}", value);
}

void JsonLine::json(std::string_view name, std::string_view value) {
  key(name);
  text_ += value;
}

void JsonLine::latencies(std::vector<std::uint64_t>& nanoseconds) {
  std::sort(nanoseconds.begin(), nanoseconds.end());
  const double sum = std::accumulate(nanoseconds.begin(), nanoseconds.end(), 0.0);
  integer("count", nanoseconds.size());
  json("latency_us",
       fmt::format(R"({{"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"p999":{:.1f},"max":{:.1f},"mean":{:.1f}}})",
                   percentile_us(nanoseconds, 0.5), percentile_us(nanoseconds, 0.9), percentile_us(nanoseconds, 0.99),
                   percentile_us(nanoseconds, 0.999), percentile_us(nanoseconds, 1),
                   sum / 1e3 / static_cast<double>(nanoseconds.size())));
  json("histogram_us", histogram(nanoseconds));
}

void JsonLine::usage(const UsageWindow& window, const Target& target, double operations) {
  number("generator_cpu_us_per_op", static_cast<double>(window.own_cpu_ns) / 1e3 / operations);
  number("generator_cpu_s", static_cast<double>(window.own_cpu_ns) / 1e9);
  if (target.pid == 0) return;
  number("agent_cpu_us_per_op", static_cast<double>(window.agent_cpu_ns) / 1e3 / operations);
  number("agent_cpu_s", static_cast<double>(window.agent_cpu_ns) / 1e9);
  if (window.after.rss_kib == 0) return;  // another user's
  json("memory_before", json_memory(window.before));
  json("memory", json_memory(window.after));
  integer("fds", window.descriptors_at_end);
}

void JsonLine::print() const {
  std::fputs((text_ + "}\n").c_str(), stdout);
  std::fflush(stdout);
}

void print_not_served(std::string_view reason) {
  JsonLine line;
  std::string text;
  for (const char c : reason) {
    if (c == '"' || c == '\\') text += '\\';
    text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  line.json("not_served", fmt::format("\"{}\"", text));
  line.print();
}

}  // namespace steeple::bench
