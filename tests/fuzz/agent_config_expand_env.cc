// Variables in text: no input may make it read past the end, and text without a dollar sign stays as it is.
#include "agent/config/expand_env.h"
#include "agent/config/go_url.h"
#include "runtime/core/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace steeple::agent;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string expanded = expand_env(text, [](const std::string& name) { return std::optional(name); });
  if (text.find('$') == std::string::npos) STEEPLE_ASSERT(expanded == text);
  (void)parse_go_url(text).has_value();
  return 0;
}
