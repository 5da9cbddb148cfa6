// Certificate timestamps: whatever comes in, what was read is as long as it says.
#include <cstdint>
#include <cstdlib>

#include "attestation/sigstore/certificate_timestamp.h"

using namespace steeple::attestation;
namespace runtime = steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto timestamps = parse_certificate_timestamps(runtime::BytesView(data, size));
  if (!timestamps) return 0;
  if (timestamps->empty() || timestamps->size() > kCertificateTimestampsMax) std::abort();
  std::size_t read = 0;
  for (const CertificateTimestamp& timestamp : *timestamps) {
    if (timestamp.log_id.size() != 64) std::abort();
    read += 2 + 1 + 32 + 8 + 2 + timestamp.extensions.size() + 2 + 2 + timestamp.signature.size();
    (void)timestamped_bytes(timestamp, {}, {});
  }
  if (read + 4 > size) std::abort();  // with the two headers around them
  return 0;
}
