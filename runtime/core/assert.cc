#include "runtime/core/assert.h"

#include <cstdio>
#include <cstdlib>

namespace steeple::runtime {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "steeple: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace steeple::runtime
