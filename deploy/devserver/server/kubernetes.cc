#include "deploy/devserver/server/kubernetes.h"

#include <fmt/format.h>

#include "attestation/kube/http_api.h"
#include "deploy/devserver/attestors/service_account.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr unsigned kAttestingThreads = 4;
constexpr unsigned kWatchingThreads = 3;  // the kinds of labelled objects
constexpr std::size_t kRequestsQueuedMax = 10'000;

// What is written wrong stays wrong; a file or a variable may still come.
bool may_mend_itself(const Error& error) {
  return error.code() != ErrorCode::kUnimplemented && error.code() != ErrorCode::kInvalidArgument &&
         error.code() != ErrorCode::kMalformed;
}

Result<std::vector<runtime::Bytes>> load_keys(const std::string& cluster, const std::string& path) {
  auto refuse = [&](const Error& cause) {
    return Error(cause.code(), fmt::format("failed to load cluster {} service account keys from {}: {}",
                                           runtime::go_quote(cluster), runtime::go_quote(path), cause.message()));
  };
  Result<std::string> pem = runtime::read_file(path, attestation::kCredentialBytesMax);
  if (!pem) return refuse(pem.error());
  Result<std::vector<runtime::Bytes>> keys = parse_service_account_keys(*pem);
  if (!keys) return refuse(keys.error());
  if (keys->empty()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("cluster {} has no service account keys in {}",
                                                          runtime::go_quote(cluster), runtime::go_quote(path)));
  }
  return keys;
}

}  // namespace

Kubernetes::Lane::Lane(runtime::Loop& loop, unsigned threads)
    : workers(loop, threads, kRequestsQueuedMax), http(loop, workers) {}

Kubernetes::Kubernetes(runtime::Loop& loop, const runtime::Clock& clock, agent::Environment environment,
                       runtime::Logger log)
    : loop_(loop),
      clock_(clock),
      environment_(std::move(environment)),
      log_(std::move(log)),
      attesting_(loop, kAttestingThreads) {}

Result<std::unique_ptr<KubeApi>> Kubernetes::connect(const std::string& kubeconfig_path, Lane& lane,
                                                     std::string_view plugin) {
  attestation::KubeAccessSource access(kubeconfig_path, environment_);
  if (auto loaded = access.load(); !loaded) {
    if (!may_mend_itself(loaded.error())) {
      return std::move(loaded.error()).with_context(fmt::format("plugin {}", runtime::go_quote(plugin)));
    }
    log_.warning("The Kubernetes API server cannot be asked yet",
                 {{"plugin_name", std::string(plugin)}, {"error", loaded.error()}});
  }
  return std::unique_ptr<KubeApi>(std::make_unique<attestation::HttpKubeApi>(loop_, lane.http, std::move(access)));
}

Result<void> Kubernetes::add_clusters(const K8sClusterConfigs& configs, K8sClusters& clusters,
                                      std::string_view plugin) {
  for (const auto& [name, config] : configs) {
    K8sCluster cluster{config, nullptr, {}};
    if (config.key_file.empty()) {
      STEEPLE_TRY(api, connect(config.kubeconfig_path, attesting_, plugin));
      cluster.api = std::move(api);
    } else {
      STEEPLE_TRY(keys, load_keys(name, config.key_file));
      cluster.keys = std::move(keys);
    }
    clusters.emplace(name, std::move(cluster));
  }
  return {};
}

Result<void> Kubernetes::add_attestors(const DevServerConfig& config, AttestorTable& table) {
  if (config.k8s_sat) {
    STEEPLE_CHECK(add_clusters(*config.k8s_sat, sat_, "k8s_sat"));
    table.emplace("k8s_sat", [this] { return make_k8s_sat_attestor(sat_, clock_); });
  }
  if (config.k8s_psat) {
    if (config.k8s_psat->empty()) log_.info("No clusters configured, PSAT attestation is effectively disabled");
    STEEPLE_CHECK(add_clusters(*config.k8s_psat, psat_, "k8s_psat"));
    table.emplace("k8s_psat", [this] { return make_k8s_psat_attestor(psat_); });
  }
  return {};
}

Result<void> Kubernetes::add_notifiers(const DevServerConfig& config, const BundleSource& source,
                                       std::uint64_t sequence_number) {
  for (const K8sBundleConfig& target : config.k8s_bundles) {
    Lane& lane = publishing_.emplace_back(loop_, 1);
    STEEPLE_TRY(api, connect(target.kubeconfig_path, lane, "k8sbundle"));
    Lane& watching = publishing_.emplace_back(loop_, kWatchingThreads);
    STEEPLE_TRY(watched, connect(target.kubeconfig_path, watching, "k8sbundle"));
    notifiers_.push_back(std::make_unique<BundleNotifier>(loop_, K8sBundle(*api, target, source), *watched,
                                                          sequence_number, log_.with_subsystem("ca_manager")));
    bundle_apis_.push_back(std::move(api));
    bundle_apis_.push_back(std::move(watched));
  }
  return {};
}

void Kubernetes::start_notifiers(runtime::TaskGroup& group) {
  for (auto& notifier : notifiers_) group.spawn(notifier->run(group.token()));
}

void Kubernetes::bundle_is(std::uint64_t sequence_number) {
  for (auto& notifier : notifiers_) notifier->bundle_is(sequence_number);
}

}  // namespace steeple::devserver
