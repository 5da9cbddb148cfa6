// What of the server talks to Kubernetes: the clusters whose tokens k8s_sat and k8s_psat believe, and the notifiers
// that publish the bundle. HTTP requests run on threads of their own, so that an API server that hangs holds up neither
// the signing nor, for the notifiers, each other's cluster more than a request's time. I/O thread only.
#pragma once

#include <list>

#include "deploy/devserver/config/config.h"
#include "deploy/devserver/notifiers/bundle_notifier.h"
#include "runtime/http1/client.h"
#include "runtime/task/task_group.h"

namespace steeple::devserver {

class Kubernetes {
 public:
  // `clock` outlives this.
  Kubernetes(runtime::Loop& loop, const runtime::Clock& clock, agent::Environment environment, runtime::Logger log);

  // Refuses a kubeconfig that is there and of no use; one that cannot be read yet is told in the log. Key files must be
  // there.
  runtime::Result<void> add_attestors(const DevServerConfig& config, AttestorTable& table);
  runtime::Result<void> add_notifiers(const DevServerConfig& config, const BundleSource& source,
                                      std::uint64_t sequence_number);

  void start_notifiers(runtime::TaskGroup& group);  // which outlives nothing of this
  void bundle_is(std::uint64_t sequence_number);

 private:
  struct Lane {  // of requests
    Lane(runtime::Loop& loop, unsigned threads);
    runtime::WorkerPool workers;
    runtime::HttpClient http;
  };
  runtime::Result<std::unique_ptr<KubeApi>> connect(const std::string& kubeconfig_path, Lane& lane,
                                                    std::string_view plugin);
  runtime::Result<void> add_clusters(const K8sClusterConfigs& configs, K8sClusters& clusters, std::string_view plugin);

  runtime::Loop& loop_;
  const runtime::Clock& clock_;
  agent::Environment environment_;
  runtime::Logger log_;
  Lane attesting_;
  std::list<Lane> publishing_;  // two each: requests, and watches, which last
  K8sClusters sat_;
  K8sClusters psat_;
  std::vector<std::unique_ptr<KubeApi>> bundle_apis_;
  std::vector<std::unique_ptr<BundleNotifier>> notifiers_;
};

}  // namespace steeple::devserver
