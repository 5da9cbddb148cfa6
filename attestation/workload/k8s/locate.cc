#include "attestation/workload/k8s/locate.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::size_t kContainerIdSize = 64;
constexpr std::string_view kPodPrefix = "pod";
constexpr std::string_view kUidShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
constexpr std::string_view kStaticUidShape = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

bool is_digit16(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// A word of exactly 64 hex digits: its place in the segment.
std::size_t find_container_id(std::string_view segment) {
  std::size_t at = 0;
  while (at < segment.size()) {
    if (!is_word(segment[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < segment.size() && is_word(segment[end])) ++end;
    const std::string_view word = segment.substr(at, end - at);
    if (word.size() == kContainerIdSize && std::all_of(word.begin(), word.end(), is_digit16)) return at;
    at = end;
  }
  return std::string_view::npos;
}

bool has_shape(std::string_view text, std::string_view shape) {
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool fits = shape[i] == 'x' ? is_digit16(text[i]) : text[i] == '-' || text[i] == '_';
    if (!fits) return false;
  }
  return true;
}

// "podUID" between word boundaries; the UID with dashes, or nothing.
std::string find_pod_uid(std::string_view segment, std::string_view shape = kUidShape) {
  for (std::size_t at = segment.find(kPodPrefix); at != std::string_view::npos; at = segment.find(kPodPrefix, at + 1)) {
    const std::size_t begin = at + kPodPrefix.size();
    const std::size_t end = begin + shape.size();
    if (end > segment.size() || (at > 0 && is_word(segment[at - 1]))) continue;
    if (end < segment.size() && is_word(segment[end])) continue;
    std::string uid(segment.substr(begin, shape.size()));
    if (!has_shape(uid, shape)) continue;
    std::replace(uid.begin(), uid.end(), '_', '-');
    return uid;
  }
  return {};
}

// Takes the last segment off; nothing when the path has ended or the segment is empty.
std::optional<std::string_view> take_segment(std::string_view& path) {
  const std::size_t slash = path.rfind('/');
  const std::string_view segment = slash == std::string_view::npos ? path : path.substr(slash + 1);
  path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  if (segment.empty()) return std::nullopt;
  return segment;
}

ContainerQuery extract(std::string_view path) {
  ContainerQuery found;
  std::string_view left;  // of the segment with the container's id
  while (found.container_id.empty()) {
    const std::optional<std::string_view> segment = take_segment(path);
    if (!segment) return found;
    const std::size_t at = find_container_id(*segment);
    if (at == std::string_view::npos) continue;
    found.container_id = segment->substr(at, kContainerIdSize);
    left = segment->substr(0, at);
  }
  found.pod_uid = find_pod_uid(left);
  while (found.pod_uid.empty()) {
    const std::optional<std::string_view> segment = take_segment(path);
    if (!segment) return found;
    found.pod_uid = find_pod_uid(*segment);
  }
  while (const std::optional<std::string_view> segment = take_segment(path)) {
    for (std::string_view shape : {kUidShape, kStaticUidShape}) {
      std::string outer = find_pod_uid(*segment, shape);
      if (!outer.empty()) found.outer_pod_uids.push_back(std::move(outer));
    }
  }
  return found;
}

Result<void> merge(ContainerQuery& known, ContainerQuery line) {
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

Result<ContainerQuery> container_of_cgroups(std::string_view cgroup_file) {
  ContainerQuery known;
  while (!cgroup_file.empty()) {
    const std::size_t end = std::min(cgroup_file.find('\n'), cgroup_file.size());
    const std::string_view line = cgroup_file.substr(0, end);
    cgroup_file.remove_prefix(std::min(end + 1, cgroup_file.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) {
      return Error(ErrorCode::kInternal,
                   fmt::format("unable to obtain cgroups: invalid cgroup entry, contains {} colon separated fields but "
                               "expected at least 3: {}",
                               first == std::string_view::npos ? 1 : 2, runtime::go_quote(line)));
    }
    STEEPLE_CHECK(merge(known, extract(line.substr(second + 1))));
  }
  return known;
}

LocateContainer make_container_locator(const K8sConfig& config, const runtime::Logger& log) {
  const bool verbose = config.verbose_container_locator_logs;
  return [verbose, log](const runtime::ProcessHandle& process) -> Result<ContainerQuery> {
    Result<std::string> cgroups = process.read("cgroup", kCgroupFileBytesMax);
    if (!cgroups && cgroups.error().code() == ErrorCode::kNotFound) return ContainerQuery();
    if (!cgroups) return Error(ErrorCode::kInternal, "unable to obtain cgroups: " + cgroups.error().message());
    if (verbose) log.debug("PID cgroup enumerated", {{"pid", process.pid()}, {"path", *cgroups}});
    return container_of_cgroups(*cgroups);
  };
}

}  // namespace steeple::attestation
