#include "agent/telemetry/node_metrics.h"

#include <catch2/catch.hpp>

#include "agent/keys/memory_key_manager.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using std::chrono_literals::operator""ms;

namespace {

class FullKeyManager final : public KeyManager {
 public:
  std::string_view name() const override { return "full"; }
  Result<ManagedKey> generate(const std::string&, KeyType) override { return Error(ErrorCode::kInternal, "no room"); }
  std::vector<ManagedKey> keys() const override { return {}; }
  std::optional<ManagedKey> find(std::string_view) const override { return std::nullopt; }
  bool survives_restart() const override { return true; }
};

}  // namespace

TEST_CASE("Calls of the key manager are counted and passed on") {
  Metrics metrics({});
  MemoryKeyManager memory;
  MeteredKeyManager keys(memory, metrics);
  CHECK(keys.generate("a", KeyType::kEcP256));
  CHECK(keys.keys().size() == 1);
  CHECK(keys.keys().front().id == "a");
  CHECK(keys.find("a"));
  CHECK_FALSE(keys.find("b"));
  CHECK_FALSE(keys.survives_restart());
  FullKeyManager full;
  CHECK_FALSE(MeteredKeyManager(full, metrics).generate("a", KeyType::kEcP256));
  const auto calls = [&](const char* method, const char* status) {
    return metrics.counter(std::string("agent_key_manager.") + method, {{"status", status}}).value();
  };
  CHECK(calls("generate_key", "OK") == 1);
  CHECK(calls("generate_key", "Internal") == 1);
  CHECK(calls("get_keys", "OK") == 2);
  CHECK(calls("get_key", "OK") == 1);
  CHECK(calls("get_key", "NotFound") == 1);
}

TEST_CASE("A bootstrap is shown with its start and attempts, its end with the zero time") {
  Metrics metrics({});
  NodeMetrics node(metrics);
  node.bootstrap(false, WallTime(std::chrono::seconds(1000)), 3);
  CHECK(metrics.gauge("bootstrapped").value() == 0);
  CHECK(metrics.gauge("bootstrap_seconds", {{"mode", "bootstrap"}}).value() == 1000);
  CHECK(metrics.gauge("bootstrap_attempts", {{"mode", "bootstrap"}}).value() == 3);
  node.bootstrap(true, std::nullopt, 0);
  CHECK(metrics.gauge("bootstrapped").value() == 1);
  CHECK(metrics.gauge("bootstrap_seconds", {{"mode", "rebootstrap"}}).value() == -62135595008.0);
}

TEST_CASE("Attestations bear the attestor's name, rotations do not") {
  Metrics metrics({});
  NodeMetrics node(metrics);
  node.attested("k8s_psat", "Unavailable", 1ms);
  node.reattested("OK", 2ms);
  node.renewed("OK", 3ms);
  CHECK(metrics.counter("node.attestor.new_svid", {{"attestor", "k8s_psat"}, {"status", "Unavailable"}}).value() == 1);
  CHECK(metrics.sample("node.attest.elapsed_time", {{"status", "OK"}}).value() == 2);
  CHECK(metrics.sample("agent_svid.rotate.elapsed_time", {{"status", "OK"}}).value() == 3);
}
