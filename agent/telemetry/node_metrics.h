// The counters of what the agent does for its own identity: its keys, bootstrap, attestation, rotation (config-cli 6.2,
// 6.3). Owned by the app; outlives the parts that call it. I/O thread only.
#pragma once

#include <optional>

#include "agent/keys/key_manager.h"
#include "runtime/core/metrics.h"

namespace steeple::agent {

// A key manager whose calls are counted. The one it stands for outlives it.
class MeteredKeyManager final : public KeyManager {
 public:
  MeteredKeyManager(KeyManager& keys, runtime::Metrics& metrics);

  std::string_view name() const override { return keys_.name(); }
  runtime::Result<ManagedKey> generate(const std::string& id, runtime::KeyType type) override;
  std::vector<ManagedKey> keys() const override;
  std::optional<ManagedKey> find(std::string_view id) const override;
  bool survives_restart() const override { return keys_.survives_restart(); }

 private:
  KeyManager& keys_;
  runtime::CallMetric generate_;
  mutable runtime::CallMetric get_;
  mutable runtime::CallMetric get_all_;
};

class NodeMetrics {
 public:
  explicit NodeMetrics(runtime::Metrics& metrics);

  // `started`: none when the agent is bootstrapped.
  void bootstrap(bool again, std::optional<runtime::WallTime> started, std::int64_t attempts);
  // `status` is a gRPC code's name with static storage.
  void attested(std::string_view attestor, std::string_view status, std::chrono::nanoseconds elapsed);
  void reattested(std::string_view status, std::chrono::nanoseconds elapsed) { reattest_.done(status, elapsed); }
  void renewed(std::string_view status, std::chrono::nanoseconds elapsed) { rotate_.done(status, elapsed); }

 private:
  runtime::Metrics& metrics_;
  std::optional<runtime::CallMetric> new_svid_;  // an agent has one node attestor
  runtime::CallMetric reattest_;
  runtime::CallMetric rotate_;
};

}  // namespace steeple::agent
