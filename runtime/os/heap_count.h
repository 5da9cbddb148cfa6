// How many objects the program has made with `new` and given back, counted in the allocation functions themselves,
// which this part replaces in a program that asks for the figures. What C libraries take for themselves is not counted.
// Any thread.
#pragma once

#include <cstdint>
#include <optional>

namespace steeple::runtime {

struct HeapCounts {
  std::uint64_t made = 0;
  std::uint64_t freed = 0;
  std::uint64_t live() const { return made - freed; }
};

// Nothing under a sanitizer, which has allocation functions of its own.
std::optional<HeapCounts> heap_counts();

}  // namespace steeple::runtime
