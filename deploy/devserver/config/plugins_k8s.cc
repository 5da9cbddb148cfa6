#include "deploy/devserver/config/plugins_k8s.h"

#include <fmt/format.h>

#include "deploy/devserver/config/plugins.h"
#include "runtime/core/go_text.h"

namespace steeple::devserver {
namespace {

namespace hcl = agent::hcl;
using runtime::Error;
using runtime::ErrorCode;
using runtime::go_quote;
using runtime::Result;
using Names = std::set<std::string, std::less<>>;
using ReadCluster = Result<void> (*)(hcl::ObjectReader&, const std::string& name, K8sClusterConfig&);

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

Result<void> read_names(hcl::ObjectReader& reader, std::string_view key, Names& out) {
  std::vector<std::string> names;
  STEEPLE_CHECK(reader.read(key, names));
  out.insert(names.begin(), names.end());
  return {};
}

Result<void> read_common(hcl::ObjectReader& reader, K8sClusterConfig& cluster) {
  STEEPLE_CHECK(read_names(reader, "service_account_allow_list", cluster.allowed_accounts));
  return reader.read("kube_config_file", cluster.kubeconfig_path);
}

Result<void> need_accounts(const std::string& name, const K8sClusterConfig& cluster) {
  if (!cluster.allowed_accounts.empty()) return {};
  return invalid(
      fmt::format("cluster {} configuration must have at least one service account allowed", go_quote(name)));
}

Result<void> read_sat_cluster(hcl::ObjectReader& reader, const std::string& name, K8sClusterConfig& cluster) {
  bool by_review = false;
  STEEPLE_CHECK(read_common(reader, cluster));
  STEEPLE_CHECK(reader.read("use_token_review_api_validation", by_review));
  STEEPLE_CHECK(reader.read("service_account_key_file", cluster.key_file));
  if (!by_review && cluster.key_file.empty()) {
    return invalid(fmt::format("cluster {} configuration missing service account key file", go_quote(name)));
  }
  if (by_review) cluster.key_file.clear();  // the API server is asked, whatever keys there are
  return need_accounts(name, cluster);
}

Result<void> read_psat_cluster(hcl::ObjectReader& reader, const std::string& name, K8sClusterConfig& cluster) {
  STEEPLE_CHECK(read_common(reader, cluster));
  if (reader.read_raw("audience")) {  // an empty list is not the same as none
    cluster.audiences.clear();
    STEEPLE_CHECK(reader.read("audience", cluster.audiences));
  }
  STEEPLE_CHECK(read_names(reader, "allowed_node_label_keys", cluster.allowed_node_labels));
  STEEPLE_CHECK(read_names(reader, "allowed_pod_label_keys", cluster.allowed_pod_labels));
  STEEPLE_CHECK(reader.read("use_pod_uid_for_agent_id", cluster.pod_uid_in_id));
  return need_accounts(name, cluster);
}

// A map from names to blocks: nobody has asked for a key of it yet, so all of them are left over.
Result<K8sClusterConfigs> read_clusters(hcl::ObjectReader& plugin, ReadCluster read) {
  K8sClusterConfigs clusters;
  STEEPLE_TRY(some, plugin.read_block("clusters", [&](hcl::ObjectReader& map) -> Result<void> {
    hcl::UnknownKeys names = map.unknown_keys();
    names.fatal.insert(names.fatal.end(), names.unnoticed.begin(), names.unnoticed.end());
    for (const std::string& name : names.fatal) {
      STEEPLE_TRY(found, map.read_block(name, [&](hcl::ObjectReader& reader) -> Result<void> {
        STEEPLE_CHECK(read(reader, name, clusters[name]));
        return refuse_unknown_keys(reader, "cluster " + go_quote(name));
      }));
      static_cast<void>(found);
    }
    return {};
  }));
  static_cast<void>(some);
  return clusters;
}

Result<void> read_bundle_target(hcl::ObjectReader& reader, K8sBundleConfig& target) {
  STEEPLE_CHECK(reader.read("namespace", target.name_space));
  STEEPLE_CHECK(reader.read("config_map", target.config_map));
  STEEPLE_CHECK(reader.read("config_map_key", target.config_map_key));
  STEEPLE_CHECK(reader.read("kube_config_file_path", target.kubeconfig_path));
  STEEPLE_CHECK(reader.read("webhook_label", target.webhook_label));
  return reader.read("api_service_label", target.api_service_label);
}

void fill_defaults(K8sBundleConfig& target) {
  if (target.name_space.empty()) target.name_space = "spire";
  if (target.config_map.empty()) target.config_map = "spire-bundle";
  if (target.config_map_key.empty()) target.config_map_key = "bundle.crt";
}

}  // namespace

Result<void> read_k8s_sat(hcl::ObjectReader& reader, DevServerConfig& config) {
  STEEPLE_TRY(clusters, read_clusters(reader, read_sat_cluster));
  if (clusters.empty()) return invalid("configuration must have at least one cluster");
  config.k8s_sat = std::move(clusters);
  return {};
}

Result<void> read_k8s_psat(hcl::ObjectReader& reader, DevServerConfig& config) {
  STEEPLE_TRY(clusters, read_clusters(reader, read_psat_cluster));
  config.k8s_psat = std::move(clusters);
  return {};
}

// The local cluster is left out only where `clusters` is set and no key of the root is.
Result<void> read_k8s_bundle(hcl::ObjectReader& reader, DevServerConfig& config) {
  K8sBundleConfig root;
  std::vector<K8sBundleConfig> clusters;
  STEEPLE_CHECK(read_bundle_target(reader, root));
  STEEPLE_CHECK(reader.read_blocks("clusters", [&](hcl::ObjectReader& cluster) -> Result<void> {
    STEEPLE_CHECK(read_bundle_target(cluster, clusters.emplace_back()));
    if (clusters.back().kubeconfig_path.empty()) {
      return invalid("cluster configuration is missing kube_config_file_path");
    }
    return refuse_unknown_keys(cluster, "clusters");
  }));
  if (root != K8sBundleConfig() || clusters.empty()) clusters.insert(clusters.begin(), std::move(root));
  for (K8sBundleConfig& target : clusters) fill_defaults(target);
  config.k8s_bundles = std::move(clusters);
  return {};
}

}  // namespace steeple::devserver
