// A kubelet's answer as anybody could shape it, cut anywhere: the index is the same whatever the pieces, and every
// container in it can be looked up.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attestation/workload/k8s/pod_index.h"

namespace {

using namespace steeple::attestation;

steeple::runtime::Result<std::shared_ptr<const PodIndex>> read(std::string_view text, std::size_t piece_size) {
  PodListReader reader;
  while (!text.empty()) {
    STEEPLE_CHECK(reader.feed(text.substr(0, piece_size)));
    text.remove_prefix(std::min(piece_size, text.size()));
  }
  return reader.finish();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto whole = read(text, text.size() + 1);
  auto pieces = read(text, data[0] % 130 + 1);
  if (whole.has_value() != pieces.has_value()) std::abort();
  auto cgroups = locate_container(text, LocatePods::kYes);
  if (!whole) return 0;
  if ((*whole)->pods() != (*pieces)->pods() || (*whole)->containers() != (*pieces)->containers()) std::abort();
  const ContainerIds query = cgroups ? *cgroups : ContainerIds{"u", "c"};
  if ((*whole)->find(query, true).has_value() != (*pieces)->find(query, true).has_value()) std::abort();
  return 0;
}
