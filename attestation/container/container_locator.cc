#include "attestation/container/container_locator.h"

#include <fmt/format.h>

#include <optional>

#include "attestation/container/cgroup.h"
#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

// Takes the last segment off; nothing when the path has ended or the segment is empty.
std::optional<std::string_view> take_segment(std::string_view& path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view segment = slash == std::string_view::npos ? path : path.substr(slash + 1);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  if (segment.empty()) return std::nullopt;
  return segment;
}

// A segment outside the one with the container's id.
void note_outer(std::string_view segment, LocatePods pods, ContainerIds& found) {
  std::string_view rest = segment;
  for (std::size_t at = find_container_id(rest); at != std::string_view::npos; at = find_container_id(rest)) {
    found.outer_container_ids.emplace_back(rest.substr(at, kContainerIdSize));
    rest.remove_prefix(at + kContainerIdSize);
  }
  if (pods == LocatePods::kNo) return;
  for (PodUidForm form : {PodUidForm::kUuid, PodUidForm::kStatic}) {
    std::string uid = find_pod_uid(segment, form);
    if (uid.empty()) continue;
    if (form == PodUidForm::kUuid && found.pod_uid.empty()) {
      found.pod_uid = std::move(uid);
      found.outer_pod_uids.clear();
    } else {
      found.outer_pod_uids.push_back(std::move(uid));
    }
  }
}

ContainerIds extract(std::string_view path, LocatePods pods) {
  ContainerIds found;
  std::string_view left;  // of the segment with the container's id
  while (found.container_id.empty()) {
    const std::optional<std::string_view> segment = take_segment(path);
    if (!segment) return found;
    const std::size_t at = find_container_id(*segment);
    if (at == std::string_view::npos) continue;
    found.container_id = segment->substr(at, kContainerIdSize);
    found.below_user_manager = leads_below_user_manager(std::string(path) + "/");
    left = segment->substr(0, at);
  }
  note_outer(left, pods, found);
  while (const std::optional<std::string_view> segment = take_segment(path)) note_outer(*segment, pods, found);
  return found;
}

Result<void> merge(ContainerIds& known, ContainerIds line) {
  if (!known.pod_uid.empty() && line.pod_uid.empty()) return {};
  if (known.pod_uid.empty() && !line.pod_uid.empty()) {
    known = std::move(line);
    return {};
  }
  if (line.pod_uid != known.pod_uid) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("multiple pod UIDs found ({}, {})", runtime::go_quote(known.pod_uid),
                             runtime::go_quote(line.pod_uid)));
  }
  if (!known.container_id.empty() && line.container_id != known.container_id) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("multiple container IDs found ({}, {})", runtime::go_quote(known.container_id),
                             runtime::go_quote(line.container_id)));
  }
  known = std::move(line);
  return {};
}

}  // namespace

Result<ContainerIds> locate_container(std::string_view cgroup_file, LocatePods pods) {
  Result<std::vector<std::string_view>> paths = parse_cgroups(cgroup_file);
  if (!paths) return Error(ErrorCode::kInternal, "unable to obtain cgroups: " + paths.error().message());
  ContainerIds known;
  for (std::string_view path : *paths) STEEPLE_CHECK(merge(known, extract(path, pods)));
  return known;
}

}  // namespace steeple::attestation
