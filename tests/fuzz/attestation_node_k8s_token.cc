// The payload of k8s_sat and k8s_psat: whatever comes in, what is read is written back to the same value.
#include <cstdint>
#include <cstdlib>

#include "attestation/node/k8s_token/messages.h"

namespace k8s_token = steeple::attestation::k8s_token;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto read = k8s_token::parse_attestation_data(steeple::runtime::BytesView(data, size));
  if (!read) return 0;
  auto written = k8s_token::format_attestation_data(read->cluster, steeple::runtime::as_text(read->token.view()));
  auto again = k8s_token::parse_attestation_data(written.view());
  if (!again) return written.size() > k8s_token::kPayloadBytesMax ? 0 : (std::abort(), 0);
  if (again->cluster != read->cluster) std::abort();
  if (steeple::runtime::to_bytes(again->token.view()) != steeple::runtime::to_bytes(read->token.view())) std::abort();
  return 0;
}
