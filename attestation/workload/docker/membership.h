// Does a process that names a container in its cgroup path run in it? Whoever may make cgroups below a point can give
// them any name: a privileged container, or a user below the own slice. So the path is compared with the one of the
// container's own first process, as far as the container's id. Pure functions on two /proc/PID/cgroup files.
#pragma once

#include <string_view>

namespace steeple::attestation {

enum class Membership {
  kInside,
  kOutside,
  kUnknown,  // the first process' path does not name the container: the daemon's process ids are not ours
};

Membership membership_of(std::string_view cgroup_file, std::string_view first_process_cgroup_file,
                         std::string_view container_id);

}  // namespace steeple::attestation
