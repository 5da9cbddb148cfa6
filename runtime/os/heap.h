// Gives the heap's free pages back to the kernel after many connections have left; the allocator alone keeps them.
// Sans I/O but for trim_heap(). One owner, I/O thread only.
#pragma once

#include <cstddef>

namespace steeple::runtime {

// Decides when: three quarters of the most there were since the last time have gone.
class HeapTrimRule {
 public:
  static constexpr std::size_t kWorthwhile = 64;  // fewer hold too little memory to bother
  // Told after each change of the number of connections. True: a trim is due, once things have settled.
  bool note(std::size_t open);

 private:
  std::size_t peak_ = 0;
};

void limit_heap_arenas();  // at start, before threads: one arena for all, as the I/O thread does nearly all the work
void trim_heap();          // milliseconds per 100 MB

}  // namespace steeple::runtime
