// /proc/PID/status as a workload could shape it: selectors come out with numbers only, or an error.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "attestation/workload/unix/process_selectors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steeple::attestation;
  auto name = [](std::uint32_t id) { return id % 2 ? std::optional<std::string>("n") : std::nullopt; };
  auto found = process_selectors({reinterpret_cast<const char*>(data), size}, name, name);
  if (!found) return 0;
  if (found->size() < 2 || !found->front().value().starts_with("uid:")) std::abort();
  Selectors all(std::move(*found));
  if (!all.is_subset_of(all)) std::abort();
  return 0;
}
