// /proc/PID/cgroup as text, v1, v2 and hybrid alike (attestation 1.3): hierarchy and controllers count for nothing,
// each line gives its path. And the names that runtimes put into such paths (attestation 1.5). Pure functions. Foreign
// input: below the point that was delegated to a container, its processes choose the names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr std::size_t kCgroupFileBytesMax = 1024 * 1024;
inline constexpr std::size_t kContainerIdSize = 64;

// The lines' paths in the file's order; they point into `text`. kMalformed with upstream's text for a line with fewer
// than two colons.
runtime::Result<std::vector<std::string_view>> parse_cgroups(std::string_view text);

// ASCII classes, whatever the locale.
bool is_hex_digit(char c);
bool is_punctuation(char c);

// The first word of exactly 64 hex digits: its place, or npos. A letter, digit or underscore beside it glues.
std::size_t find_container_id(std::string_view segment);

// A pod's UID in the form of a cgroup name, after "pod".
enum class PodUidForm {
  kUuid,    // 8-4-4-4-12 hex digits, dashes or underscores
  kStatic,  // 32 hex digits: the configuration hash of a static pod
};
// The first such word of the segment, with dashes; empty: none.
std::string find_pod_uid(std::string_view segment, PodUidForm form = PodUidForm::kUuid);

// Does the path lead through the cgroup of a user's service manager ("user@1000.service")? Below it that user chooses
// all names.
bool leads_below_user_manager(std::string_view path);

}  // namespace steeple::attestation
