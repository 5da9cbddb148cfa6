// Bundle documents: what parses can be written and read again, equal.
#include "agent/spiffe/jwks.h"

using namespace steeple::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto bundle = parse_bundle_document(TrustDomain(), std::string_view(reinterpret_cast<const char*>(data), size));
  if (!bundle) return 0;
  auto document = format_bundle_document(*bundle, size % 2 == 0);
  if (!document) return 0;  // a certificate with a kind of key that JWKs have no form for
  auto again = parse_bundle_document(TrustDomain(), *document);
  if (!again || again->certificates() != bundle->certificates()) __builtin_trap();
  return 0;
}
