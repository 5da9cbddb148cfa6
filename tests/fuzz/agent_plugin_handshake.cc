// What a plugin says: its handshake, and its standard error in any pieces.
#include <cstddef>
#include <cstdint>

#include "agent/plugin/handshake.h"
#include "agent/plugin/stderr_log.h"
#include "runtime/core/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steeple;
  const std::string_view text = runtime::as_text({data, size});
  const auto address = agent::parse_handshake(text);
  STEEPLE_ASSERT(!address || address->network == "unix" || address->network == "tcp");
  STEEPLE_ASSERT(address || address.error().message().size() <= 4 * size + agent::kHandshakeShownMax);
  std::string lines;
  agent::StderrLog log(
      runtime::Logger(runtime::make_string_sink(&lines), runtime::LogLevel::kDebug, runtime::LogFormat::kJson));
  const std::size_t half = size / 2;
  log.feed(text.substr(0, half));
  log.feed(text.substr(half));
  log.end();
  return 0;
}
