// The readers of /proc/PID/stat and /proc/PID/status: any bytes, since a process chooses its own name.
#include <cstdlib>

#include "runtime/core/bytes.h"
#include "runtime/os/procfs.h"

using namespace steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text(BytesView(data, size));
  if (auto start_time = parse_proc_stat_start_time(text)) {
    // What was accepted is accepted with any command name in front of it.
    const std::string renamed = "1 (a) b (" + std::string(text.substr(text.rfind(')')));
    auto again = parse_proc_stat_start_time(renamed);
    if (!again || *again != *start_time) std::abort();
  }
  if (auto status = parse_proc_status(text); status && status->groups.size() > kSupplementaryGroupsMax) std::abort();
  return 0;
}
