// Measures any agent that serves the Workload API: latency and cost of FetchX509SVID, idle streams, storms and pushes.
// With two sockets the runs are interleaved A B B A and ratios are printed.
#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "bench/load/scenarios.h"

namespace {

using namespace steeple::bench;

constexpr const char* kUsage = R"(usage: fetch_latency --socket PATH [--pid N] [--socket PATH2 [--pid N2]] [options]
  --clients N[,N...]   closed loop with N calls in flight, a new connection each (default 1,16)
  --kept               keep the connections; only the stream is new
  --seconds S          length of one run (default 3)
  --rounds N           runs per agent; two agents alternate A B B A (default 5)
  --idle N             instead: open N streams, leave them idle, print memory per stream (needs --pid)
  --storm N            instead: N first calls at once
  --push N             instead: open N streams and wait up to a minute for one push to all of them
)";

struct Options {
  std::vector<Target> targets;
  std::vector<unsigned> clients{1, 16};
  bool kept = false;
  double seconds = 3;
  unsigned rounds = 5;
  std::size_t idle = 0, storm = 0, push = 0;
};

template <class T>
bool parse_number(std::string_view text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out > 0;
}

bool parse_list(std::string_view text, std::vector<unsigned>& out) {
  out.clear();
  while (!text.empty()) {
    std::size_t comma = text.find(',');
    unsigned value = 0;
    if (!parse_number(text.substr(0, comma), value)) return false;
    out.push_back(value);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return !out.empty();
}

bool parse_options(int argc, char** argv, Options& options) {
  static const option known[] = {{"socket", 1, nullptr, 's'},  {"pid", 1, nullptr, 'p'},
                                 {"clients", 1, nullptr, 'c'}, {"kept", 0, nullptr, 'k'},
                                 {"seconds", 1, nullptr, 't'}, {"rounds", 1, nullptr, 'r'},
                                 {"idle", 1, nullptr, 'i'},    {"storm", 1, nullptr, 'S'},
                                 {"push", 1, nullptr, 'P'},    {nullptr, 0, nullptr, 0}};
  for (int choice; (choice = ::getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    std::string_view value = optarg ? optarg : "";
    bool good = true;
    switch (choice) {
      case 's':
        options.targets.push_back(Target{std::string(value), 0});
        break;
      case 'p':
        good = !options.targets.empty() && parse_number(value, options.targets.back().pid);
        break;
      case 'c':
        good = parse_list(value, options.clients);
        break;
      case 'k':
        options.kept = true;
        break;
      case 't':
        good = (options.seconds = std::strtod(optarg, nullptr)) > 0;
        break;
      case 'r':
        good = parse_number(value, options.rounds);
        break;
      case 'i':
        good = parse_number(value, options.idle);
        break;
      case 'S':
        good = parse_number(value, options.storm);
        break;
      case 'P':
        good = parse_number(value, options.push);
        break;
      default:
        good = false;
    }
    if (!good) return false;
  }
  return optind == argc && !options.targets.empty() && options.targets.size() <= 2;
}

struct Figures {
  std::vector<double> p50, p99, p999, rate, cpu, own;
};

double percentile(std::vector<std::uint32_t>& sorted, double part) {
  std::size_t index = static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size()))) - 1;
  return sorted[std::min(index, sorted.size() - 1)] / 1e3;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::string spread(const std::vector<double>& values) {
  auto [low, high] = std::minmax_element(values.begin(), values.end());
  return fmt::format("{:.1f} [{:.1f}-{:.1f}]", median(values), *low, *high);
}

int fail(const Target& target, const steeple::runtime::Error& error) {
  fmt::print(stderr, "fetch_latency: {}: {}\n", target.socket_path, error.message());
  return 1;
}

int measure_concurrency(const Options& options, unsigned clients) {
  std::vector<Figures> figures(options.targets.size());
  for (unsigned round = 0; round < options.rounds; ++round) {
    for (std::size_t turn = 0; turn < options.targets.size(); ++turn) {
      std::size_t which = round % 2 == 0 ? turn : options.targets.size() - 1 - turn;
      const Target& target = options.targets[which];
      auto run = run_closed_loop(target, clients, options.kept,
                                 std::chrono::nanoseconds(static_cast<std::int64_t>(options.seconds * 1e9)));
      if (!run) return fail(target, run.error());
      std::sort(run->latencies_ns.begin(), run->latencies_ns.end());
      double count = static_cast<double>(run->latencies_ns.size());
      Figures& out = figures[which];
      out.p50.push_back(percentile(run->latencies_ns, 0.5));
      out.p99.push_back(percentile(run->latencies_ns, 0.99));
      out.p999.push_back(percentile(run->latencies_ns, 0.999));
      out.rate.push_back(count / run->seconds);
      out.cpu.push_back(static_cast<double>(run->agent_cpu_ns) / 1e3 / count);
      out.own.push_back(static_cast<double>(run->own_cpu_ns) / 1e3 / count);
    }
  }
  for (std::size_t which = 0; which < figures.size(); ++which) {
    const Figures& f = figures[which];
    fmt::print("{} in flight, {} connection, {}\n  p50 us   {}\n  p99 us   {}\n  p99.9 us {}\n  fetches/s {}\n",
               clients, options.kept ? "kept" : "new", options.targets[which].socket_path, spread(f.p50), spread(f.p99),
               spread(f.p999), spread(f.rate));
    if (options.targets[which].pid != 0) fmt::print("  agent CPU us/fetch {}\n", spread(f.cpu));
    fmt::print("  generator CPU us/fetch {}\n", spread(f.own));
  }
  if (figures.size() == 2) {
    fmt::print("  ratio first/second: p50 {:.3f}, p99 {:.3f}, rate {:.2f}",
               median(figures[0].p50) / median(figures[1].p50), median(figures[0].p99) / median(figures[1].p99),
               median(figures[0].rate) / median(figures[1].rate));
    if (options.targets[0].pid && options.targets[1].pid)
      fmt::print(", CPU {:.3f}", median(figures[0].cpu) / median(figures[1].cpu));
    fmt::print("\n");
  }
  return 0;
}

int measure_idle(const Options& options) {
  for (const Target& target : options.targets) {
    auto run = run_idle_streams(target, options.idle,
                                std::chrono::nanoseconds(static_cast<std::int64_t>(options.seconds * 1e9)));
    if (!run) return fail(target, run.error());
    fmt::print("{} idle streams, {}\n  opened in {:.2f} s\n", run->streams, target.socket_path, run->open_seconds);
    if (target.pid == 0) continue;
    fmt::print("  resident KiB {} -> {}\n  KiB per stream {:.2f}\n  CPU while idle {:.2f} milli-cores\n",
               run->before_rss_kib, run->after_rss_kib, run->kib_per_stream, run->idle_milli_cores);
    if (run->closed_rss_ratio)
      fmt::print("  resident 5 s after all have left, to before: {:.2f}\n", *run->closed_rss_ratio);
  }
  return 0;
}

int measure_storm(const Options& options) {
  for (unsigned round = 0; round < options.rounds; ++round) {
    for (const Target& target : options.targets) {
      auto run = run_storm(target, options.storm, std::chrono::seconds(30));
      if (!run) return fail(target, run.error());
      std::sort(run->latencies_ns.begin(), run->latencies_ns.end());
      fmt::print("{} first calls at once, {}: all served in {:.1f} ms, p50 {:.1f} ms, last {:.1f} ms\n", options.storm,
                 target.socket_path, run->all_served_ms, percentile(run->latencies_ns, 0.5) / 1e3,
                 percentile(run->latencies_ns, 1) / 1e3);
    }
  }
  return 0;
}

int measure_push(const Options& options) {
  for (const Target& target : options.targets) {
    auto run = run_push(target, options.push, std::chrono::minutes(1));
    if (!run) return fail(target, run.error());
    fmt::print("push to {} streams, {}: first to last {:.1f} ms", run->streams, target.socket_path,
               run->first_to_last_ms);
    if (target.pid != 0)
      fmt::print(", agent CPU us/stream {:.2f}",
                 static_cast<double>(run->agent_cpu_ns) / 1e3 / static_cast<double>(run->streams));
    fmt::print("\n");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse_options(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  if (options.idle != 0) return measure_idle(options);
  if (options.storm != 0) return measure_storm(options);
  if (options.push != 0) return measure_push(options);
  for (unsigned clients : options.clients) {
    if (int code = measure_concurrency(options, clients); code != 0) return code;
  }
  return 0;
}
