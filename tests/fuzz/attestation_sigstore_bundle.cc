// Rekor's receipts: the bundle annotation, the entry's body, and both against a key. Whatever comes in, an entry that
// was read tells the same when it is written out and read again.
#include <cstdint>
#include <cstdlib>

#include "attestation/sigstore/log_receipt.h"
#include "attestation/sigstore/logged_signature.h"
#include "runtime/tls/encoding.h"

using namespace steeple::attestation;
namespace runtime = steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  runtime::BytesView input(data, size);
  (void)parse_logged_signature(runtime::base64_encode(input));
  auto entry = parse_rekor_bundle(runtime::as_text(input));
  if (!entry) return 0;
  if (entry->integrated_time < 0 || entry->log_index < 0 || entry->log_index > kLogIndexMax) std::abort();
  // P-256's generator as a key.
  static const runtime::Bytes key = *runtime::base64_decode(
      "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7L"
      "tkBoN79R9Q==");
  LogKey log = log_key(key);
  log.id = entry->log_id;
  if (verify_signed_entry(*entry, {log})) std::abort();
  (void)check_logged_parts(*entry, {"c2ln", key, "payload"});
  return 0;
}
