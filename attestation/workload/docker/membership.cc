#include "attestation/workload/docker/membership.h"

#include <algorithm>

#include "attestation/container/cgroup.h"

namespace steeple::attestation {
namespace {

// The paths as far as the id, of the lines that name it.
std::vector<std::string_view> places_of(std::string_view cgroup_file, std::string_view container_id) {
  std::vector<std::string_view> places;
  const auto paths = parse_cgroups(cgroup_file);
  if (!paths) return places;
  for (std::string_view path : *paths) {
    const std::size_t at = path.find(container_id);
    if (at != std::string_view::npos) places.push_back(path.substr(0, at + container_id.size()));
  }
  return places;
}

}  // namespace

Membership membership_of(std::string_view cgroup_file, std::string_view first_process_cgroup_file,
                         std::string_view container_id) {
  const std::vector<std::string_view> real = places_of(first_process_cgroup_file, container_id);
  if (real.empty() || container_id.empty()) return Membership::kUnknown;
  const std::vector<std::string_view> claimed = places_of(cgroup_file, container_id);
  const bool inside = !claimed.empty() && std::all_of(claimed.begin(), claimed.end(), [&](std::string_view place) {
    return std::find(real.begin(), real.end(), place) != real.end();
  });
  return inside ? Membership::kInside : Membership::kOutside;
}

}  // namespace steeple::attestation
