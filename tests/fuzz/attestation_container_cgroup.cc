// A cgroup file as a container's processes could shape it: neither locator fails, and every id found is in the text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attestation/container/cgroup.h"
#include "attestation/container/legacy_locator.h"

namespace {

using namespace steeple::attestation;

void check(std::string_view text, const steeple::runtime::Result<ContainerIds>& found) {
  if (!found || found->container_id.empty()) return;
  if (found->container_id.size() != kContainerIdSize) std::abort();
  if (text.find(found->container_id) == std::string_view::npos) std::abort();
  for (const std::string& outer : found->outer_container_ids) {
    if (text.find(outer) == std::string_view::npos) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, locate_container(text, LocatePods::kYes));
  check(text, locate_container(text, LocatePods::kNo));
  check(text, locate_container_legacy(text));
  return 0;
}
