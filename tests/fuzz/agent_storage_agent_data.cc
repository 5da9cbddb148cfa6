// agent-data.json: what parses can be written and read again, equal.
#include "agent/storage/agent_data.h"

using namespace steeple::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto parsed = parse_agent_data(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!parsed) return 0;
  auto again = parse_agent_data(format_agent_data(*parsed));
  if (!again || *again != *parsed) __builtin_trap();
  return 0;
}
