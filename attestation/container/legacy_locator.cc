#include "attestation/container/legacy_locator.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "attestation/container/cgroup.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::string_view kScope = ".scope";
constexpr std::string_view kPod = "pod";
constexpr std::string_view kCrio = "crio";
constexpr std::size_t kUidGroups[] = {8, 4, 4, 4, 12};

// Of the characters that count as punctuation between the groups, those that Unicode calls so become dashes.
bool becomes_dash(char c) {
  return is_punctuation(c) && std::string_view("$+<=>^`|~").find(c) == std::string_view::npos;
}

struct PodName {
  std::size_t begin;  // of "pod"
  std::size_t end;    // after the punctuation that follows the UID
  std::string uid;
};

// "pod", a UID whose groups are apart or not, one punctuation character: at this very place.
std::optional<PodName> pod_name_at(std::string_view path, std::size_t begin) {
  if (path.substr(begin, kPod.size()) != kPod) return std::nullopt;
  std::size_t at = begin + kPod.size();
  const std::size_t uid_begin = at;
  for (std::size_t group : kUidGroups) {
    if (at != uid_begin && at < path.size() && is_punctuation(path[at])) ++at;
    const std::string_view digits = path.substr(std::min(at, path.size()), group);
    if (digits.size() < group || !std::all_of(digits.begin(), digits.end(), is_hex_digit)) return std::nullopt;
    at += group;
  }
  if (at >= path.size() || !is_punctuation(path[at])) return std::nullopt;
  std::string uid(path.substr(uid_begin, at - uid_begin));
  std::replace_if(uid.begin(), uid.end(), becomes_dash, '-');
  return PodName{begin, at + 1, std::move(uid)};
}

// Single punctuation characters between pieces that are not empty, and then the container's id.
bool leads_to_container(std::string_view between) {
  bool apart = true;
  for (char c : between) {
    if (is_punctuation(c) && apart) return false;
    apart = is_punctuation(c);
  }
  return apart;
}

void note_outer_pods(std::string_view path, std::size_t until, ContainerIds& found) {
  for (std::size_t at = path.find(kPod); at < until; at = path.find(kPod, at + 1)) {
    if (std::optional<PodName> pod = pod_name_at(path, at)) found.outer_pod_uids.push_back(std::move(pod->uid));
  }
}

// The first rule: a pod's name somewhere left of the id.
std::optional<ContainerIds> match_pod(std::string_view path, std::size_t id) {
  for (std::size_t at = path.find(kPod); at < id; at = path.find(kPod, at + 1)) {
    if (at == 0 || !is_punctuation(path[at - 1])) continue;
    std::optional<PodName> pod = pod_name_at(path, at);
    if (!pod || pod->end > id || !leads_to_container(path.substr(pod->end, id - pod->end))) continue;
    ContainerIds found{std::move(pod->uid), std::string(path.substr(id))};
    note_outer_pods(path, at, found);
    return found;
  }
  return std::nullopt;
}

// The second rule: "crio", one punctuation character and the id, in no pod.
std::optional<ContainerIds> match_crio(std::string_view path, std::size_t id) {
  if (id < kCrio.size() + 1 || !is_punctuation(path[id - 1])) return std::nullopt;
  const std::size_t crio = id - 1 - kCrio.size();
  if (path.substr(crio, kCrio.size()) != kCrio) return std::nullopt;
  std::size_t run = crio;  // where letters, digits and slashes up to it begin
  while (run > 0 && (path[run - 1] == '/' || !is_punctuation(path[run - 1]))) --run;
  for (std::size_t at = path.find(kPod); at <= run; at = path.find(kPod, at + 1)) {
    const std::optional<PodName> pod = pod_name_at(path, at);
    if (pod && pod->end >= run && pod->end <= crio) return std::nullopt;
  }
  ContainerIds found{"", std::string(path.substr(id))};
  note_outer_pods(path, id, found);
  return found;
}

// Where the container's id begins that ends the path.
std::optional<std::size_t> final_id(std::string_view path) {
  if (path.size() < kContainerIdSize) return std::nullopt;
  const std::size_t begin = path.size() - kContainerIdSize;
  const std::string_view id = path.substr(begin);
  if (!std::all_of(id.begin(), id.end(), is_hex_digit)) return std::nullopt;
  return begin;
}

std::optional<ContainerIds> extract(std::string_view path) {
  if (path.ends_with(kScope)) path.remove_suffix(kScope.size());
  const std::optional<std::size_t> id = final_id(path);
  if (!id) return std::nullopt;
  std::optional<ContainerIds> pod = match_pod(path, *id);
  std::optional<ContainerIds> crio = match_crio(path, *id);
  if (pod && crio) return std::nullopt;  // two rules match: upstream does not choose
  std::optional<ContainerIds> found = pod ? std::move(pod) : std::move(crio);
  if (!found) return std::nullopt;
  std::string_view outer = path.substr(0, *id);
  found->below_user_manager = leads_below_user_manager(outer);
  for (std::size_t at = find_container_id(outer); at != std::string_view::npos; at = find_container_id(outer)) {
    found->outer_container_ids.emplace_back(outer.substr(at, kContainerIdSize));
    outer.remove_prefix(at + kContainerIdSize);
  }
  return found;
}

Result<void> merge(ContainerIds& known, ContainerIds line) {
  if (known.container_id.empty()) {
    known = std::move(line);
    return {};
  }
  if (known.container_id != line.container_id) {
    return Error(ErrorCode::kFailedPrecondition, fmt::format("multiple container IDs found in cgroups ({}, {})",
                                                             known.container_id, line.container_id));
  }
  if (known.pod_uid != line.pod_uid) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("multiple pod UIDs found in cgroups ({}, {})", known.pod_uid, line.pod_uid));
  }
  return {};
}

}  // namespace

Result<ContainerIds> locate_container_legacy(std::string_view cgroup_file) {
  Result<std::vector<std::string_view>> paths = parse_cgroups(cgroup_file);
  if (!paths) return Error(ErrorCode::kInternal, "unable to obtain cgroups: " + paths.error().message());
  ContainerIds known;
  for (std::string_view path : *paths) {
    if (std::optional<ContainerIds> line = extract(path)) STEEPLE_CHECK(merge(known, std::move(*line)));
  }
  return known;
}

}  // namespace steeple::attestation
