#include "agent/config/plugin_k8s_experimental.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/spiffe/spiffe_id.h"
#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::Result;

namespace {

constexpr char kPath[] = "experimental.broker";
constexpr std::string_view kClusterScope = "cluster";

bool known_scope(std::string_view scope) { return scope.empty() || scope == "agent_node" || scope == kClusterScope; }

}  // namespace

Result<void> K8sExperimental::read(hcl::ObjectReader& block) {
  STEEPLE_CHECK(block.read_block("api_server", [this](hcl::ObjectReader& inner) { return read_api_server(inner); }));
  STEEPLE_TRY(has_broker, block.read_block("broker", [this](hcl::ObjectReader& inner) { return read_broker(inner); }));
  broker = broker || has_broker;
  unknown_.add(block.unknown_keys());
  return {};
}

Result<void> K8sExperimental::read_api_server(hcl::ObjectReader& block) {
  STEEPLE_CHECK(block.read_block("cache", [this](hcl::ObjectReader& cache) -> Result<void> {
    STEEPLE_CHECK(cache.read("enabled", cache_enabled));
    unknown_in_cache_.add(cache.unknown_keys());
    return {};
  }));
  unknown_in_api_server_.add(block.unknown_keys());
  return {};
}

Result<void> K8sExperimental::read_broker(hcl::ObjectReader& block) {
  STEEPLE_CHECK(block.read("access_policy", access_policy_));
  STEEPLE_CHECK(block.read_blocks("brokers", [this](hcl::ObjectReader& entry) -> Result<void> {
    Broker& added = brokers_.emplace_back();
    STEEPLE_CHECK(entry.read("id", added.id));
    STEEPLE_CHECK(entry.read("pod_reference_scope", added.scope));
    added.unknown = entry.unknown_keys();
    return {};
  }));
  unknown_in_broker_.add(block.unknown_keys());
  return {};
}

std::string K8sExperimental::complaint() const {
  for (const hcl::UnknownKeys* unknown : {&unknown_, &unknown_in_api_server_, &unknown_in_cache_}) {
    if (std::string bad = unknown_keys_complaint(*unknown); !bad.empty()) return bad;
  }
  return broker ? broker_complaint() : std::string();
}

std::string K8sExperimental::broker_complaint() const {
  if (std::string bad = unknown_keys_complaint(unknown_in_broker_); !bad.empty()) return bad;
  if (access_policy_.empty()) {
    return fmt::format("{}.access_policy: must be specified as one of [permissive, enforced]", kPath);
  }
  if (access_policy_ != "permissive" && access_policy_ != "enforced") {
    return fmt::format("{}.access_policy: unsupported value {}; must be one of [permissive, enforced]", kPath,
                       runtime::go_quote(access_policy_));
  }
  if (brokers_.empty()) return fmt::format("{}.brokers: at least one broker is required", kPath);
  for (std::size_t i = 0; i < brokers_.size(); ++i) {
    if (std::string bad = entry_complaint(i); !bad.empty()) return bad;
  }
  return {};
}

std::string K8sExperimental::entry_complaint(std::size_t place) const {
  const Broker& entry = brokers_[place];
  if (std::string bad = unknown_keys_complaint(entry.unknown); !bad.empty()) return bad;
  if (entry.id.empty()) return fmt::format("{}.brokers[{}].id: must be specified", kPath, place);
  const auto end = brokers_.begin() + static_cast<std::ptrdiff_t>(place);
  const auto same = [&](const Broker& other) { return other.id == entry.id; };
  if (std::any_of(brokers_.begin(), end, same)) {
    return fmt::format("{}.brokers[{}].id: duplicate broker id", kPath, entry.id);
  }
  if (auto id = SpiffeId::parse(entry.id); !id) {
    return fmt::format("{}.brokers[{}].id: {}", kPath, entry.id, id.error().message());
  }
  if (known_scope(entry.scope)) return {};
  return fmt::format("{}.brokers[{}].pod_reference_scope: unsupported value {}; must be one of [agent_node, cluster]",
                     kPath, entry.id, runtime::go_quote(entry.scope));
}

std::string K8sExperimental::scope_complaint() const {
  for (const Broker& entry : brokers_) {
    if (entry.scope == kClusterScope) continue;
    return fmt::format("{}.brokers[{}].pod_reference_scope must be \"cluster\" when disable_kubelet_client is true",
                       kPath, entry.id);
  }
  return {};
}

}  // namespace steeple::agent
