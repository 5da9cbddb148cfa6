// An API server's lists and watches: any bytes give values or an error, and events are the same however they are cut.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "attestation/kube/event_stream.h"
#include "runtime/core/bytes.h"

using namespace steeple::attestation;

namespace {

struct Seen {
  std::vector<std::string> names;
  bool good = true;
  bool operator==(const Seen&) const = default;
};

Seen read(std::string_view text, std::size_t step) {
  Seen seen;
  KubeEventStream stream([&](KubeEvent event) { seen.names.push_back(event.object.name); });
  for (std::size_t at = 0; at < text.size() && seen.good; at += step) {
    seen.good = stream.feed(text.substr(at, step)).has_value();
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = steeple::runtime::as_text(steeple::runtime::BytesView(data, size));
  static_cast<void>(status_message(text));
  static_cast<void>(parse_meta(text));
  if (auto list = parse_meta_list(text)) {
    for (const KubeMeta& item : list->items) {
      if (item.name.empty()) std::abort();
    }
  }
  const Seen whole = read(text, text.size() + 1);
  if (!(whole == read(text, 1) && whole == read(text, 7))) std::abort();
  return 0;
}
