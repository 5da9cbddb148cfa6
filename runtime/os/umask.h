// The process' umask, raised once at start (config-cli 5.2).
#pragma once

#include <sys/types.h>

namespace steeple::runtime {

inline constexpr mode_t kUmaskLeast = 0027;

class UmaskChange {
 public:
  UmaskChange(mode_t umask_before, mode_t umask_now) : before(umask_before), now(umask_now) {}
  bool changed() const { return before != now; }
  mode_t before;
  mode_t now;
};

// Adds `least` to the umask; bits that are set stay set.
UmaskChange raise_umask(mode_t least = kUmaskLeast);

}  // namespace steeple::runtime
