// HCL1 text through the scanner, the parser and the whole schema.
#include "agent/config/hcl/parser.h"
#include "agent/config/load.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace steeple::agent;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)hcl::parse_hcl(text).has_value();
  if (auto file = decode_config(text); file && file->plugins) {
    (void)read_plugins(file->document, *file->plugins, nullptr).has_value();
  }
  return 0;
}
