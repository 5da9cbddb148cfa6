// From a process' cgroups to the container and pod it runs in: SPIRE's "new container locator" (attestation 1.3) on
// /proc/PID/cgroup alone. The mount table is never read: a workload can forge it. Pure functions. The innermost names
// count, as upstream; who made the names further out is handed along, so that a container that invents names below its
// own cgroup can be told from a real one. Errors carry upstream's texts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::attestation {

struct ContainerIds {
  std::string pod_uid;       // empty: not known
  std::string container_id;  // empty: in no container
  // Names further out in the same path, innermost first. Outer pods: all pods that the found one's cgroup lies in, or,
  // if none was found, static pods that the container's lies in. Whoever knows one of them knows who made the inner
  // names.
  std::vector<std::string> outer_pod_uids = {};
  std::vector<std::string> outer_container_ids = {};
  bool below_user_manager = false;  // then a user of the machine may have made the names

  bool operator==(const ContainerIds&) const = default;
};

enum class LocatePods { kYes, kNo };  // kNo: pods are not looked for, as the attestor `docker` does

// kInternal: not a cgroup file. kFailedPrecondition: the lines contradict each other.
runtime::Result<ContainerIds> locate_container(std::string_view cgroup_file, LocatePods pods);

}  // namespace steeple::attestation
