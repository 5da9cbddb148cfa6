// SDS requests: whatever parses can be answered, and the state machine never sends without a request and an update.
#include "agent/sds/sds_stream.h"

using namespace steeple::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static SdsResponses responses(SdsOptions{});
  static const auto update = std::make_shared<const WorkloadUpdate>(
      std::vector<Identity>(), std::make_shared<Bundle>(*TrustDomain::parse("example.org")),
      std::vector<SharedBundle>());
  std::optional<SdsRequest> request = SdsRequest::parse({data, size});
  if (!request) return 0;
  SdsStream stream(responses);
  stream.on_request(*request);
  if (stream.wants_to_send()) __builtin_trap();
  stream.on_update(update);
  if (!stream.wants_to_send()) __builtin_trap();
  auto answer = stream.next();
  if (!answer) return 0;
  request->response_nonce = answer->nonce;
  stream.on_request(*request);
  if (stream.wants_to_send()) __builtin_trap();  // the same names again
  return 0;
}
