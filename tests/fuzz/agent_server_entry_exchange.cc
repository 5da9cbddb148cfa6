// What a server says about entries, bundles and denials: any bytes. Messages are split off the input by a length byte
// pair.
#include <cstdint>
#include <span>

#include "agent/server/bundle_conversion.h"
#include "agent/server/entry_exchange.h"
#include "agent/server/server_error.h"
#include "spire/api/types/bundle.pb.h"

namespace {

using namespace steeple;
using agent::EntryExchange;

void run_exchange(agent::EntrySet& entries, runtime::BytesView input) {
  EntryExchange exchange(entries, {});
  while (input.size() >= 2) {
    const std::size_t size = std::min<std::size_t>(std::size_t{input[0]} << 8 | input[1], input.size() - 2);
    auto action = exchange.on_response(input.subspan(2, size));
    input = input.subspan(2 + size);
    if (!action) return;
    if (*action == EntryExchange::Action::kSend) exchange.next_request();
    if (*action != EntryExchange::Action::kDone) continue;
    exchange.commit();
    return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const runtime::BytesView input(data, size);
  agent::EntrySet entries;
  run_exchange(entries, input);
  run_exchange(entries, input);
  EntryExchange unary(entries, {});
  if (unary.on_unary_response(input)) unary.commit();
  spire::api::types::Bundle bundle;
  if (bundle.ParseFromArray(data, static_cast<int>(size))) static_cast<void>(agent::bundle_from_proto(bundle));
  const runtime::grpc::Status denied(runtime::grpc::StatusCode::kPermissionDenied, "", runtime::to_text(input));
  static_cast<void>(agent::classify(denied, nullptr));
  return 0;
}
