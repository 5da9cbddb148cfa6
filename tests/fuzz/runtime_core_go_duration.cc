// Durations of configuration files: what parses must print and parse back to the same value.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "runtime/core/go_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steeple::runtime;
  auto parsed = parse_go_duration({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  auto again = parse_go_duration(go_duration(*parsed));
  if (!again || *again != *parsed) std::abort();
  return 0;
}
