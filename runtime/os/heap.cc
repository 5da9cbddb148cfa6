#include "runtime/os/heap.h"

#include <malloc.h>

#include <algorithm>

namespace steeple::runtime {

bool HeapTrimRule::note(std::size_t open) {
  peak_ = std::max(peak_, open);
  if (peak_ < kWorthwhile || open > peak_ / 4) return false;
  peak_ = open;
  return true;
}

void limit_heap_arenas() { ::mallopt(M_ARENA_MAX, 1); }
void trim_heap() { ::malloc_trim(0); }

}  // namespace steeple::runtime
