#include "attestation/workload/k8s/locate.h"

#include "attestation/container/cgroup.h"
#include "attestation/container/legacy_locator.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

LocateContainer make_container_locator(const K8sConfig& config, const runtime::Logger& log) {
  const bool fresh = config.use_new_container_locator;
  const bool verbose = fresh && config.verbose_container_locator_logs;
  if (fresh) {
    log.info("Using the new container locator");
  } else {
    log.warning("Using the legacy container locator. This option will be removed in a future release.");
  }
  return [fresh, verbose, log](const runtime::ProcessHandle& process) -> Result<ContainerIds> {
    Result<std::string> cgroups = process.read("cgroup", kCgroupFileBytesMax);
    if (!cgroups && fresh && cgroups.error().code() == ErrorCode::kNotFound) return ContainerIds();
    if (!cgroups) return Error(ErrorCode::kInternal, "unable to obtain cgroups: " + cgroups.error().message());
    if (verbose) log.debug("PID cgroup enumerated", {{"pid", process.pid()}, {"path", *cgroups}});
    return fresh ? locate_container(*cgroups, LocatePods::kYes) : locate_container_legacy(*cgroups);
  };
}

}  // namespace steeple::attestation
