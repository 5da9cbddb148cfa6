#include "attestation/sigstore/trust_material.h"

#include "runtime/tls/encoding.h"

namespace steeple::attestation {

LogKey log_key(runtime::Bytes spki, bool active) {
  std::string id = runtime::to_hex(runtime::sha256(spki));
  return {std::move(id), std::move(spki), active};
}

}  // namespace steeple::attestation
