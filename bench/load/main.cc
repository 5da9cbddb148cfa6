// steeple-load: one measurement against one Workload API socket, as a line of JSON. bench/steeple-bench runs it; by
// hand it measures any agent that is already there.
#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <fstream>

#include "bench/load/poller.h"
#include "bench/load/scenarios.h"

namespace {

using namespace steeple::bench;
using steeple::runtime::Result;

constexpr const char* kUsage =
    R"(usage: steeple-load closed|open|idle|pods|push|storm|await|start --socket PATH [options]
  --pid N           the agent, for its CPU and memory
  --call NAME       x509 (default), x509-bundles, jwt, jwt-new, sds, health
  --argument TEXT   the audience of jwt, the secret's name of sds
  --refused         a refusal (PermissionDenied) is the good answer
  --clients N       in flight, or kept connections; pods that open their streams at a time (default 1)
  --kept            keep the connections; only the stream is new
  --seconds S       the measured time (default 3)
  --warm-up S       before it (default 0.3)
  --count N         closed: end after N calls instead
  --rate R          open: calls a second
  --streams N       idle, pods, push, storm: how many
  --pushes N        push: wait for so many (default 1)
  --every S         await, start: between two attempts (default 0.05)
  --limit S         give up after (default 30)
  --cgroups FILE    pods: a process in each cgroup listed opens its part of the streams
  --log FILE, --cpu N, -- COMMAND...   start: the agent's output, its CPU, its command line
)";

struct Options {
  Plan plan;
  std::string mode, call = "x509", argument, log = "/dev/null", cgroups;
  double seconds = 3, warm_up = 0.3, every = 0.05, limit = 30;
  int cpu = -1;
  bool refused = false;
  char** command = nullptr;
};

enum Flag : int {
  kSocket,
  kPid,
  kCall,
  kArgument,
  kClients,
  kKept,
  kSeconds,
  kWarmUp,
  kCount,
  kRate,
  kStreams,
  kPushes,
  kEvery,
  kLimit,
  kCgroups,
  kLog,
  kRefused,
  kCpu
};
const option kFlags[] = {{"socket", 1, nullptr, kSocket},   {"pid", 1, nullptr, kPid},
                         {"call", 1, nullptr, kCall},       {"argument", 1, nullptr, kArgument},
                         {"clients", 1, nullptr, kClients}, {"kept", 0, nullptr, kKept},
                         {"seconds", 1, nullptr, kSeconds}, {"warm-up", 1, nullptr, kWarmUp},
                         {"count", 1, nullptr, kCount},     {"rate", 1, nullptr, kRate},
                         {"streams", 1, nullptr, kStreams}, {"pushes", 1, nullptr, kPushes},
                         {"every", 1, nullptr, kEvery},     {"limit", 1, nullptr, kLimit},
                         {"cgroups", 1, nullptr, kCgroups}, {"log", 1, nullptr, kLog},
                         {"cpu", 1, nullptr, kCpu},         {"refused", 0, nullptr, kRefused},
                         {nullptr, 0, nullptr, 0}};

template <class T>
bool parse(std::string_view text, T& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out >= 0;
}

bool take_number(Options& options, int flag, std::string_view value) {
  Plan& plan = options.plan;
  switch (flag) {
    case kPid:
      return parse(value, plan.target.pid);
    case kClients:
      return parse(value, plan.clients) && plan.clients > 0;
    case kSeconds:
      return parse(value, options.seconds);
    case kWarmUp:
      return parse(value, options.warm_up);
    case kCount:
      return parse(value, plan.count);
    case kRate:
      return parse(value, plan.rate) && plan.rate > 0;
    case kStreams:
      return parse(value, plan.streams);
    case kPushes:
      return parse(value, plan.pushes);
    case kEvery:
      return parse(value, options.every);
    case kLimit:
      return parse(value, options.limit);
    case kCpu:
      return parse(value, options.cpu);
    default:
      return false;
  }
}

bool take(Options& options, int flag, const char* value) {
  switch (flag) {
    case kSocket:
      options.plan.target.socket_path = value;
      return true;
    case kCall:
      options.call = value;
      return true;
    case kArgument:
      options.argument = value;
      return true;
    case kKept:
      options.plan.kept = true;
      return true;
    case kRefused:
      options.refused = true;
      return true;
    case kCgroups:
      options.cgroups = value;
      return true;
    case kLog:
      options.log = value;
      return true;
    default:
      return value != nullptr && take_number(options, flag, value);
  }
}

bool complete(Options& options) {
  const bool pods = options.mode == "pods";
  const bool counts_streams = pods || options.mode == "idle" || options.mode == "push" || options.mode == "storm";
  auto duration = [](double seconds) { return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9)); };
  options.plan.span = duration(options.seconds);
  options.plan.warm_up = duration(options.warm_up);
  options.plan.every = duration(options.every);
  options.plan.limit = duration(options.limit);
  return !options.plan.target.socket_path.empty() && (!counts_streams || options.plan.streams > 0) &&
         pods != options.plan.cgroups.empty() && (options.mode != "open" || options.plan.rate > 0) &&
         (options.mode != "start") == (options.command == nullptr);
}

bool parse_options(int argc, char** argv, Options& options) {
  if (argc < 2) return false;
  options.mode = argv[1];
  ::optind = 2;
  for (int flag; (flag = ::getopt_long(argc, argv, "+", kFlags, nullptr)) != -1;) {
    if (!take(options, flag, optarg)) return false;
  }
  if (optind < argc) options.command = argv + optind;
  if (!options.cgroups.empty()) {
    std::ifstream file(options.cgroups);
    for (std::string line; std::getline(file, line);) options.plan.cgroups.push_back(line);
    if (options.plan.cgroups.empty()) return false;
  }
  return complete(options);
}

Result<void> run(Options& options) {
  STEEPLE_TRY(call, call_shape(options.call, options.argument));
  Plan& plan = options.plan;
  plan.call = call;
  if (options.refused) plan.call.refusal = "7";
  if (options.mode == "closed") return run_closed_loop(plan);
  if (options.mode == "open") return run_open_loop(plan);
  if (options.mode == "idle") return run_idle_streams(plan);
  if (options.mode == "pods") return run_pods(plan);
  if (options.mode == "push") return run_push(plan);
  if (options.mode == "storm") return run_storm(plan);
  if (options.mode == "await") return run_await(plan);
  if (options.mode == "start") return run_start(plan, options.command, options.log, options.cpu);
  return steeple::runtime::Error(steeple::runtime::ErrorCode::kInvalidArgument, "no such measurement: " + options.mode);
}

// The agent takes calls and does not answer them, or not as many as it is asked for.
bool leaves_calls_unanswered(const steeple::runtime::Error& error) {
  using steeple::runtime::ErrorCode;
  return error.code() == ErrorCode::kDeadline || error.code() == ErrorCode::kLimit;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse_options(argc, argv, options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  prepare_process();
  if (auto done = run(options); !done) {
    if (leaves_calls_unanswered(done.error())) print_not_served(done.error().message());
    fmt::print(stderr, "steeple-load: {}: {}\n", options.plan.target.socket_path, done.error().message());
    return 1;
  }
  return 0;
}
