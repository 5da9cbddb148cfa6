// What open streams cost an agent while nothing happens, and what it keeps of them afterwards.
#pragma once

#include <functional>
#include <string>

#include "bench/load/poller.h"
#include "bench/load/scenarios.h"

namespace steeple::bench {

// Takes what streams receive until the given time.
using Serve = std::function<runtime::Result<void>(Clock::time_point)>;

// Into `line`: "idle_milli_cores", and what usage() reports for so many streams.
runtime::Result<void> hold_streams(const Plan& plan, const Serve& serve, JsonLine& line);

// Memory in each of the five seconds after all streams have left: [[seconds, memory], ...].
runtime::Result<std::string> memory_after_leaving(const Target& target);

}  // namespace steeple::bench
