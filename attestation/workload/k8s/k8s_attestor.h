// The attestor `k8s` (attestation 1): the selectors of the pod and container a process runs in. The process' cgroup
// gives the container's id; the node's kubelet says what that container is. A process in no container has no selectors
// of this kind, at once. A container that the pod index knows costs no request; an unknown one waits for the kubelet to
// list it, up to max_poll_attempts (fetch_policy.h). In an outage of the kubelet the last good index answers for what
// it knows. The labels of the pod's namespace are the API server's (namespace_labels.h), its image's
// signatures those of its registry (attestation/sigstore). Owned by the workload engine;
// close() is awaited before it dies. I/O thread only.
#pragma once

#include <functional>

#include "attestation/sigstore/image_verifier.h"
#include "attestation/workload/attestor.h"
#include "attestation/workload/k8s/k8s_config.h"
#include "attestation/workload/k8s/namespace_labels.h"
#include "attestation/workload/k8s/pod_list.h"

namespace steeple::attestation {

inline constexpr std::string_view kK8sName = "k8s";
// How long a known container waits for a younger answer before it is given the last good one.
inline constexpr std::chrono::seconds kKnownContainerPatience{1};

// Which container a process is in; both may be empty.
using LocateContainer = std::function<runtime::Result<ContainerIds>(const runtime::ProcessHandle& process)>;

class K8sAttestor final : public WorkloadAttestor {
 public:
  // Reads the kubelet's credentials: a missing file is an error here. kInvalidArgument with upstream's texts.
  static runtime::Result<std::unique_ptr<WorkloadAttestor>> make(K8sConfig config, runtime::Loop& loop,
                                                                 const runtime::Logger& log);
  // `labels` and `images`: null where they are not wanted.
  K8sAttestor(K8sConfig config, runtime::Loop& loop, LocateContainer locate, std::unique_ptr<PodSource> source,
              std::unique_ptr<NamespaceLabels> labels, const runtime::Logger& log,
              std::unique_ptr<ImageTrust> images = nullptr);

  std::string_view name() const override { return kK8sName; }
  runtime::Task<runtime::Result<void>> prepare(runtime::Deadline deadline, runtime::StopToken stop) override;
  runtime::Task<runtime::Result<Selectors>> attest(const runtime::ProcessHandle& process, runtime::Deadline deadline,
                                                   runtime::StopToken stop) override;
  std::vector<Figure> figures() const override;
  runtime::Task<void> close() override;

  // The same for a container that has been located.
  runtime::Task<runtime::Result<Selectors>> find(ContainerIds query, runtime::Deadline deadline,
                                                 runtime::StopToken stop);
  const PodList::Counters& counters() const { return pods_.counters(); }

 private:
  using Found = runtime::Result<std::optional<PodMatch>>;
  runtime::Task<runtime::Result<PodMatch>> find_pod(const ContainerIds& query, runtime::Deadline deadline,
                                                    runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> add_namespace_labels(PodMatch& pod, runtime::Deadline deadline,
                                                            runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> add_image_selectors(PodMatch& pod, runtime::Deadline deadline,
                                                           runtime::StopToken stop);
  Found look_up(const PodIndex* index, const ContainerIds& query) const;
  Found answer_in_outage(const ContainerIds& query);
  runtime::Error give_up(const runtime::Logger& log, const runtime::Error* fetch_error) const;
  void log_retry(const runtime::Logger& log, const runtime::Error* fetch_error) const;

  K8sConfig config_;
  runtime::Loop& loop_;
  LocateContainer locate_;
  runtime::Logger log_;
  PodList pods_;
  std::unique_ptr<NamespaceLabels> labels_;
  std::unique_ptr<ImageTrust> images_;
};

}  // namespace steeple::attestation
