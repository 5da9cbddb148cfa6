// What anybody on a bus could send: messages cut anywhere are the same, and each can be read and written again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "attestation/workload/systemd/dbus_message.h"

namespace {

using namespace steeple::attestation;

std::vector<DbusMessage> read(std::string_view bytes, std::size_t piece) {
  DbusReader reader;
  std::vector<DbusMessage> found;
  while (!bytes.empty()) {
    reader.feed(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    for (;;) {
      auto message = reader.next();
      if (!message) return found;
      if (!*message) break;
      found.push_back(std::move(**message));
    }
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)dbus_socket_path(text);
  const std::vector<DbusMessage> whole = read(text, text.size() + 1);
  const std::vector<DbusMessage> pieces = read(text, data[0] % 70 + 1);
  if (whole.size() != pieces.size()) std::abort();
  for (const DbusMessage& message : whole) {
    if (auto value = message.text(); value && value->size() > message.body.size()) std::abort();
    (void)message.variant_text();
    if (message.signature.size() > 255) std::abort();
    const std::vector<DbusMessage> again = read(encode_dbus(message), 64);
    if (again.size() != 1 || again[0].body != message.body || again[0].reply_serial != message.reply_serial)
      std::abort();
  }
  return 0;
}
