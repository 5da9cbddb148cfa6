// keys.json: what parses can be written and read again.
#include "agent/keys/keys_file.h"

using namespace steeple::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto keys = parse_keys_file(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!keys) return 0;
  auto again = parse_keys_file(steeple::runtime::as_text(format_keys_file(*keys).view()));
  if (!again || again->size() != keys->size()) __builtin_trap();
  return 0;
}
