// One client that keeps asking until it is served.
#pragma once

#include <optional>

#include "bench/load/client.h"
#include "bench/load/poller.h"
#include "bench/load/scenarios.h"

namespace steeple::bench {

class Await {
 public:
  explicit Await(const Plan& plan) : plan_(plan) {}

  // One attempt, which ends with an answer, a refusal, or at `give_up`. A refusal that time can mend (no socket yet,
  // PermissionDenied, Unavailable) is remembered and not an error.
  void attempt(Clock::time_point give_up);

  bool served() const { return served_at.has_value(); }

  std::optional<Clock::time_point> connected_at;  // the first connection that was taken
  std::optional<Clock::time_point> served_at;
  unsigned attempts = 0;
  std::string refusal;  // the last one

 private:
  const Plan& plan_;
};

}  // namespace steeple::bench
