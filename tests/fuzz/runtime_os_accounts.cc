// The reader of /etc/passwd and /etc/group.
#include <cstdlib>

#include "runtime/core/bytes.h"
#include "runtime/os/passwd.h"

using namespace steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto& [id, name] : parse_account_file(as_text(BytesView(data, size)))) {
    if (name.empty() || name.find_first_of(":\n") != std::string::npos) std::abort();
  }
  return 0;
}
