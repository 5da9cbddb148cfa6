// The bundle in one Kubernetes cluster, as notifier k8sbundle keeps it there (attestation 4.1): a key of a ConfigMap,
// and the authorities of webhooks and API services with a label. Where SPIRE needs the ConfigMap to exist, this makes
// it if it may. What holds the bundle already is left alone. One pass at a time; I/O thread only.
#pragma once

#include <array>
#include <functional>
#include <string>

#include "attestation/kube/watcher.h"
#include "deploy/devserver/kube/api.h"

namespace steeple::devserver {

inline constexpr int kConflictRetriesMax = 5;
inline constexpr std::size_t kLabelledObjectsMax = 1000;

struct K8sBundleConfig {
  std::string name_space;
  std::string config_map;
  std::string config_map_key;
  std::string kubeconfig_path;  // empty: the pod this runs in
  std::string webhook_label;    // empty: no webhooks
  std::string api_service_label;
  bool operator==(const K8sBundleConfig&) const = default;
};

// All X.509 authorities of the trust domain as they are now, PEM.
using BundleSource = std::function<std::string()>;

class K8sBundle {
 public:
  K8sBundle(KubeApi& api, K8sBundleConfig config, BundleSource source)
      : api_(api), config_(std::move(config)), source_(std::move(source)) {}

  // Brings every object up to date, and goes on past one that fails. The error names all that failed.
  runtime::Task<runtime::Result<void>> publish(runtime::Deadline deadline, runtime::StopToken stop);

  // The objects with a label, for who wants to know of new ones; none without a label.
  std::vector<attestation::KubeWatcher::Target> labelled() const;

 private:
  struct Kind;
  static const std::array<Kind, 3>& kinds();
  std::string selector_of(const Kind& kind) const;  // empty: not wanted
  runtime::Task<runtime::Result<void>> write_config_map(runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> try_config_map(runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> create_config_map(runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> write_labelled(const Kind& kind, runtime::Deadline deadline,
                                                      runtime::StopToken stop);

  KubeApi& api_;
  K8sBundleConfig config_;
  BundleSource source_;
};

}  // namespace steeple::devserver
