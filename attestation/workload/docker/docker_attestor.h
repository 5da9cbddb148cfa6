// The attestor `docker` (attestation 2.3): the labels, environment and image of the Docker or Podman container a
// process runs in. The process' cgroup gives the container's id, the daemon says what that container is. A process in
// no container has no selectors of this kind, at once. A daemon that does not answer, or does not know the container,
// is asked four times, after 100, 200 and 400 ms; then the attestor fails. With sigstore, one of the digests the daemon
// knows the image by has to bear good signatures (attestation/sigstore). A process whose cgroup only bears the name
// of a container is refused. Owned by the workload engine. I/O thread only.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "attestation/sigstore/image_verifier.h"
#include "attestation/workload/attestor.h"
#include "attestation/workload/docker/cgroup_matchers.h"
#include "attestation/workload/docker/docker_client.h"
#include "attestation/workload/docker/docker_config.h"
#include "runtime/core/log.h"

namespace steeple::attestation {

inline constexpr int kDockerRetries = 3;
inline constexpr std::chrono::milliseconds kDockerFirstBackoff{100};
inline constexpr std::chrono::seconds kDockerPatience{10};  // for all requests of an attestation

class DockerAttestor final : public WorkloadAttestor {
 public:
  struct Parts {
    std::unique_ptr<DockerApi> docker;
    std::unique_ptr<DockerApi> podman;
    std::unique_ptr<ImageTrust> images = nullptr;  // null: images are not verified
    // /proc/PID/cgroup of a container's first process; empty: cannot be read.
    std::function<std::string(std::int64_t pid)> cgroups_of;
    std::chrono::nanoseconds first_backoff = kDockerFirstBackoff;
  };
  // kInvalidArgument with upstream's texts. No daemon is asked before the first container.
  static runtime::Result<std::unique_ptr<WorkloadAttestor>> make(DockerConfig config, runtime::Loop& loop,
                                                                 const runtime::Logger& log);
  DockerAttestor(DockerConfig config, std::optional<CgroupMatchers> matchers, Parts parts, runtime::Loop& loop,
                 const runtime::Logger& log);

  std::string_view name() const override { return kDockerName; }
  runtime::Task<runtime::Result<void>> prepare(runtime::Deadline deadline, runtime::StopToken stop) override;
  runtime::Task<void> close() override;
  runtime::Task<runtime::Result<Selectors>> attest(const runtime::ProcessHandle& process, runtime::Deadline deadline,
                                                   runtime::StopToken stop) override;
  // The same for the text of the process' cgroup file.
  runtime::Task<runtime::Result<Selectors>> find(std::string cgroups, runtime::Deadline deadline,
                                                 runtime::StopToken stop);

 private:
  runtime::Result<std::string> container_of(std::string_view cgroups) const;
  runtime::Task<runtime::Result<DockerContainer>> inspect(DockerApi& api, const std::string& host,
                                                          const std::string& id, runtime::Deadline deadline,
                                                          runtime::StopToken stop);
  runtime::Task<runtime::Result<ImageSelectors>> verify(const std::string& name,
                                                        const runtime::Result<DockerImage>& image,
                                                        runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Result<void> check_membership(std::string_view cgroups, const std::string& id,
                                         const DockerContainer& container) const;

  DockerConfig config_;
  std::optional<CgroupMatchers> matchers_;  // instead of the new locator
  Parts parts_;
  runtime::Loop& loop_;
  runtime::Logger log_;
};

}  // namespace steeple::attestation
