// The JSON form: scanner, parser, the rewriting into items, the schema, the plugins.
#include "agent/config/hcl/parser.h"
#include "agent/config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace steeple::agent;
  const std::string text = "{" + std::string(reinterpret_cast<const char*>(data), size);
  if (auto file = decode_config(text); file && file->plugins) {
    (void)read_plugins(file->document, *file->plugins, nullptr).has_value();
  }
  return 0;
}
