// Many clients of one call, each opened once.
#pragma once

#include <vector>

#include "bench/load/client.h"
#include "bench/load/poller.h"
#include "bench/load/scenarios.h"

namespace steeple::bench {

inline runtime::Error failed(const Client& client) {
  return runtime::Error(runtime::ErrorCode::kUnavailable, client.failure());
}

struct Streams {
  explicit Streams(std::size_t count) : clients(count), started(count), latencies(count) {}

  // Opens clients [first, last), at most `in_flight_max` at a time, and waits for the first answer of each.
  runtime::Result<void> open(const Plan& plan, std::size_t first, std::size_t last, std::size_t in_flight_max);
  // Takes what arrives until `until`; a client that fails is an error.
  runtime::Result<void> serve(Clock::time_point until);

  Poller poller;
  std::vector<Client> clients;
  std::vector<Clock::time_point> started;
  std::vector<std::uint64_t> latencies;  // ns, from the first attempt to connect
};

}  // namespace steeple::bench
