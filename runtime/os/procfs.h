// Readers of files below /proc/PID: pure functions on their text. Foreign input: command names hold any byte.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::runtime {

inline constexpr std::size_t kProcStatBytesMax = 4096;
inline constexpr std::size_t kProcStatusBytesMax = 2u << 20;    // 65,536 supplementary groups fit
inline constexpr std::size_t kSupplementaryGroupsMax = 65'536;  // the kernel's NGROUPS_MAX

// The numbers of the Uid:, Gid: and Groups: lines of /proc/PID/status.
class ProcStatus {
 public:
  struct Ids {
    std::uint32_t real = 0;
    std::uint32_t effective = 0;
    bool operator==(const Ids&) const = default;
  };
  Ids uid;
  Ids gid;
  std::vector<gid_t> groups;  // in the file's order
  bool operator==(const ProcStatus&) const = default;
};
// kMalformed names the line that is missing or wrong.
Result<ProcStatus> parse_proc_status(std::string_view text);

// Field 22 of /proc/PID/stat, whatever the command name holds (parentheses, spaces, newlines). Error texts follow
// endpoints 1.4: "bad stat data: task name is not parenthesized", "bad stat data or unsupported platform".
Result<std::uint64_t> parse_proc_stat_start_time(std::string_view text);

}  // namespace steeple::runtime
