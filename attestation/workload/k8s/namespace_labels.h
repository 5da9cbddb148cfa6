// The labels of a pod's namespace, from the API server (attestation 1.8, enable_namespace_labels). Two ways, as SPIRE
// has them: a request each time, or a copy of all namespaces that a watch keeps up to date
// (experimental.api_server.cache). Errors carry upstream's texts. Owned by the attestor; close() is awaited before it
// dies. I/O thread only.
#pragma once

#include <map>
#include <memory>

#include "attestation/kube/watcher.h"
#include "attestation/selector/selector.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::attestation {

inline constexpr std::chrono::seconds kNamespacePatience{10};  // for the API server, in one attestation
inline constexpr std::chrono::hours kNamespacesStaleMax{1};    // the copy answers that long without the API server

class NamespaceLabels {
 public:
  virtual ~NamespaceLabels() = default;
  virtual runtime::Task<runtime::Result<KubeLabels>> of(std::string name_space, runtime::Deadline deadline,
                                                        runtime::StopToken stop) = 0;
  virtual runtime::Task<void> close() = 0;
};

// Asks each time. Those who want the same namespace while it is being asked for share the answer.
class LiveNamespaceLabels final : public NamespaceLabels {
 public:
  LiveNamespaceLabels(runtime::Loop& loop, std::unique_ptr<KubeApi> api);
  runtime::Task<runtime::Result<KubeLabels>> of(std::string name_space, runtime::Deadline deadline,
                                                runtime::StopToken stop) override;
  runtime::Task<void> close() override;

 private:
  struct Flight;
  std::shared_ptr<Flight> join(const std::string& name_space);
  runtime::Task<void> fetch(std::string name_space, std::shared_ptr<Flight> flight);
  runtime::Loop& loop_;
  std::unique_ptr<KubeApi> api_;
  std::map<std::string, std::shared_ptr<Flight>, std::less<>> flights_;
  runtime::TaskGroup tasks_;
};

// Keeps a copy from the first attestation on. While the API server is away it answers from the copy, for
// kNamespacesStaleMax; SPIRE does so without end.
class CachedNamespaceLabels final : public NamespaceLabels, private KubeListener {
 public:
  CachedNamespaceLabels(runtime::Loop& loop, std::unique_ptr<KubeApi> api, const runtime::Logger& log,
                        runtime::Backoff::Limits retry = {kKubeRelistMin, kKubeRelistMax});
  runtime::Task<runtime::Result<KubeLabels>> of(std::string name_space, runtime::Deadline deadline,
                                                runtime::StopToken stop) override;
  runtime::Task<void> close() override;

 private:
  void listed(std::vector<KubeMeta> all) override;
  void changed(const KubeMeta& object) override { labels_[object.name] = object.labels; }
  void removed(const std::string& name) override { labels_.erase(name); }
  void lost() override {}
  bool usable() const;
  runtime::Loop& loop_;
  std::unique_ptr<KubeApi> api_;
  KubeWatcher watcher_;
  std::map<std::string, KubeLabels, std::less<>> labels_;
  bool synced_ = false;
  bool started_ = false;
  runtime::Signal listed_;
  runtime::TaskGroup tasks_;
};

// "ns-label:KEY:VALUE" each.
Selectors namespace_selectors(const KubeLabels& labels);

}  // namespace steeple::attestation
