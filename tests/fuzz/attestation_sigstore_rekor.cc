// Rekor's answers: any bytes give entries or an error, and none that no check has passed is believed.
#include <cstdint>
#include <cstdlib>

#include "attestation/sigstore/rekor_answer.h"
#include "runtime/core/bytes.h"

using namespace steeple::attestation;
namespace runtime = steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = runtime::as_text(runtime::BytesView(data, size));
  static_cast<void>(rekor_refusal(text));
  const auto entries = parse_rekor_answer(text);
  if (!entries) return 0;
  if (entries->size() > kRekorEntriesMax) std::abort();
  std::vector<LogKey> keys(1);
  if (!entries->empty()) keys[0].id = entries->front().entry.log_id;
  const auto refuse = [](const RekorEntry&) -> runtime::Result<void> {
    return runtime::Error(runtime::ErrorCode::kUnauthenticated, "no");
  };
  if (earliest_entry(*entries, keys, refuse)) std::abort();
  static_cast<void>(earliest_entry(*entries, keys, [](const RekorEntry&) { return runtime::Result<void>(); }));
  return 0;
}
