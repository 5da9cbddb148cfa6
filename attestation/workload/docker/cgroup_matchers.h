// The patterns of `container_id_cgroup_matchers` (attestation 2.3): a cgroup path cut at slashes, where a piece that is
// "*" stands for any piece, "<id>" for the container's id, and everything else for itself. Pure. Errors carry
// upstream's texts.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::attestation {

class CgroupMatchers {
 public:
  // kInvalidArgument: a pattern without exactly one "<id>", or two that could match the same path.
  static runtime::Result<CgroupMatchers> make(const std::vector<std::string>& patterns);

  // The id of the pattern that matches, which may be empty; nothing: none does.
  std::optional<std::string_view> find(std::string_view path) const;

  // The container of a process. Empty: in none. kMalformed: not a cgroup file. kFailedPrecondition: two lines name
  // different containers, or one names an empty one.
  runtime::Result<std::string> locate(std::string_view cgroup_file) const;

 private:
  using Pattern = std::vector<std::string>;
  explicit CgroupMatchers(std::vector<Pattern> patterns) : patterns_(std::move(patterns)) {}
  std::vector<Pattern> patterns_;
};

}  // namespace steeple::attestation
