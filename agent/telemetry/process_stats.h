// True figures of this process for the series that dashboards plot (config-cli 6.4).
#pragma once

#include <optional>
#include <string>

#include "runtime/core/clock.h"
#include "runtime/os/heap_count.h"

namespace steeple::agent {

struct ProcessStats {
  double threads = 0;
  double allocated_bytes = 0;  // of the heap, in use
  double system_bytes = 0;     // of the heap, taken from the system
  std::optional<runtime::HeapCounts> objects;
};
ProcessStats read_process_stats();

// process_*: CPU, descriptors, memory, start, network, as Prometheus' client writes them.
std::string process_families(runtime::WallTime started);

}  // namespace steeple::agent
