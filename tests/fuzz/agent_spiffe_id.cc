// SPIFFE IDs and trust domains: what parses is what it was made from.
#include "agent/spiffe/spiffe_id.h"

using namespace steeple::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto id = SpiffeId::parse(text)) {
    auto made = SpiffeId::make(id->trust_domain(), id->path());
    if (!made || made->text() != text) __builtin_trap();
  }
  if (auto domain = TrustDomain::parse(text)) {
    if (!SpiffeId::parse(domain->id_string())) __builtin_trap();
  }
  return 0;
}
