// Requests of one connection, in pieces.
#include "runtime/http1/message.h"

using namespace steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  HttpRequestReader reader({4096, 1024});
  BytesView rest(data + 1, size - 1);
  const std::size_t step = std::size_t{data[0]} + 1;
  while (!rest.empty()) {
    const std::size_t piece = std::min(step, rest.size());
    auto request = reader.feed(rest.first(piece));
    if (!request) return 0;
    if (*request) static_cast<void>(encode_http_reply(http_not_found(), **request, WallTime()));
    static_cast<void>(reader.take_expects_continue());
    rest = rest.subspan(piece);
  }
  return 0;
}
