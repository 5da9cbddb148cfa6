// Rate limits of the public socket (endpoints 1.8): a token bucket per method and attested selector set; calls with the
// same selectors share one. Charged once per call, after attestation. Buckets that nobody used for two minutes are
// dropped. Off by default. I/O thread only; at most 2 x 10,000 buckets a method are kept.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/selector/selector.h"
#include "runtime/core/clock.h"
#include "runtime/core/log.h"

namespace steeple::agent {

inline constexpr std::size_t kRateBucketsMax = 10'000;

struct MethodLimit {
  std::string_view method;      // "/SpiffeWorkloadAPI/FetchX509SVID", static storage
  std::int64_t per_second = 0;  // also the burst; 0: no limit
};

class RateLimiter {
 public:
  RateLimiter() = default;  // no limits
  // Logs each limit that is set. `clock` outlives this object.
  RateLimiter(const runtime::Clock& clock, const std::vector<MethodLimit>& limits, const runtime::Logger& log);

  // For metrics: called for each call that is refused.
  void on_refused(std::function<void(std::string_view method)> refused) { refused_ = std::move(refused); }

  // Takes one token. False: the caller has none left.
  bool allow(std::string_view method, const attestation::Selectors& caller);

 private:
  struct Bucket {
    double tokens;
    runtime::SteadyTime filled;
  };
  using Buckets = std::map<attestation::Selectors, Bucket>;
  struct Limit {
    std::string_view method;
    double per_second;
    Buckets current, previous;
    runtime::SteadyTime turned;
  };
  Bucket& bucket(Limit& limit, const attestation::Selectors& caller, runtime::SteadyTime now);

  const runtime::Clock* clock_ = nullptr;
  std::vector<Limit> limits_;
  std::function<void(std::string_view method)> refused_;
};

}  // namespace steeple::agent
