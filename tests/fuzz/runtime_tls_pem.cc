// PEM texts: certificates and private keys.
#include "runtime/tls/x509.h"

using namespace steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto blocks = parse_pem_blocks(text)) {
    for (const PemBlock& block : *blocks) {
      auto again = parse_pem_blocks(to_pem("CERTIFICATE", block.bytes.view()));
      if (!again || again->size() != 1) __builtin_trap();
    }
  }
  static_cast<void>(parse_certificates_pem(text));
  static_cast<void>(PrivateKey::from_pem(text));
  return 0;
}
