// What this agent can export, compared with the recorded page of the SPIRE Agent: name, type and labels.
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "agent/keys/memory_key_manager.h"
#include "agent/telemetry/agent_metrics.h"
#include "agent/telemetry/metric_text.h"
#include "agent/telemetry/names.h"
#include "agent/telemetry/node_metrics.h"
#include "agent/telemetry/process_stats.h"
#include "agent/telemetry/rpc_metrics.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using steeple::runtime::grpc::Method;
using steeple::runtime::grpc::MethodKind;
using steeple::runtime::grpc::StatusCode;

namespace {

std::string recording(const std::string& name) {
  std::ifstream file(STEEPLE_TEST_DATA "/metrics/" + name);
  std::stringstream text;
  text << file.rdbuf();
  REQUIRE_FALSE(text.str().empty());
  return text.str();
}

void exercise_node(Metrics& metrics) {
  MemoryKeyManager memory;
  MeteredKeyManager keys(memory, metrics);
  CHECK(keys.generate("a", KeyType::kEcP256));
  CHECK(keys.keys().size() == 1);
  NodeMetrics node(metrics);
  node.bootstrap(false, std::chrono::system_clock::now(), 1);
  node.bootstrap(true, std::nullopt, 0);
  node.attested("join_token", "OK", std::chrono::milliseconds(1));
  node.reattested("OK", std::chrono::milliseconds(1));
}

void exercise(Metrics& metrics, RpcMetrics& rpc) {
  for (const char* path : {"/SpiffeWorkloadAPI/FetchX509SVID",
                           "/SpiffeWorkloadAPI/FetchX509Bundles",
                           "/SpiffeWorkloadAPI/FetchJWTSVID",
                           "/SpiffeWorkloadAPI/FetchJWTBundles",
                           "/SpiffeWorkloadAPI/ValidateJWTSVID",
                           "/SpiffeWorkloadAPI/FetchWITSVID",
                           "/SpiffeWorkloadAPI/FetchWITBundles",
                           "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
                           "/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets",
                           "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets",
                           "/grpc.health.v1.Health/Check",
                           "/grpc.health.v1.Health/List",
                           "/grpc.health.v1.Health/Watch",
                           "/spire.agent.debug.v1.Debug/GetInfo",
                           "/spire.api.agent.logger.v1.Logger/GetLogger",
                           "/spire.api.agent.logger.v1.Logger/SetLogLevel",
                           "/spire.api.agent.logger.v1.Logger/ResetLogLevel",
                           "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509SVIDs",
                           "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509Bundles",
                           "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToJWTBundles",
                           "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/FetchJWTSVIDs",
                           "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                           "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    const Method method{path, MethodKind::kUnary, nullptr};
    rpc.call_began(method);
    rpc.call_ended(method, StatusCode::kOk, std::chrono::milliseconds(1));
  }
  AgentMetrics counters(metrics);
  counters.attestor_answered("unix", "OK", std::chrono::milliseconds(1));
  counters.caller_attested("OK", 3, std::chrono::milliseconds(1));
  counters.entries_fetched("OK", std::chrono::milliseconds(1));
  counters.svids_fetched("OK", std::chrono::milliseconds(1));
  counters.svids_expiring(1);
  counters.entries_synced(1, 2, 1, 0, 0);
  counters.entries_changed(2, 0, 0);
  counters.rate_limit_exceeded("/SpiffeWorkloadAPI/FetchX509SVID");
  counters.delegated_first_update(std::chrono::milliseconds(1));
  exercise_node(metrics);
  metrics.gauge(metric::kStarted, {{"version", "1"}, {"trust_domain_id", "example.org"}}).set(1);
  for (auto name : {metric::kUptime, metric::kCacheEntries, metric::kCacheSvids, metric::kJwtCacheSvids,
                    metric::kRuntimeThreads, metric::kRuntimeAllocBytes, metric::kRuntimeSysBytes, metric::kHeapObjects,
                    metric::kMallocCount, metric::kFreeCount}) {
    metrics.gauge(name).set(1);
  }
}

// Recorded families that this agent does not export, each with the reason.
const std::map<std::string, std::string>& missing_families() {
  static const std::string kGarbageCollector = "of a garbage collector; there is none here";
  static const std::string kStores = "of SVID stores, which are refused by name";
  static const std::map<std::string, std::string> kMissing = {
      {"spire_agent_runtime_gc_pause_ns", kGarbageCollector},
      {"spire_agent_runtime_total_gc_pause_ns", kGarbageCollector},
      {"spire_agent_runtime_total_gc_runs", kGarbageCollector},
      {"spire_agent_store_store_svid_updates", kStores},
      {"spire_agent_store_store_svid_updates_elapsed_time", kStores},
  };
  return kMissing;
}

std::set<std::string> families(const std::string& text, const std::regex& family) {
  std::set<std::string> names;
  for (std::sregex_iterator at(text.begin(), text.end(), family), end; at != end; ++at) names.insert((*at)[1]);
  return names;
}

// The label names of a series, sorted, as the recording writes them.
std::string label_names(const std::string& labels) {
  static const std::regex kLabel("([a-z_]+)=\"");
  std::set<std::string> names;
  for (std::sregex_iterator at(labels.begin(), labels.end(), kLabel), end; at != end; ++at) names.insert((*at)[1]);
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "\"" : ",\"") + name + "\"";
  return "[" + out + "]";
}

}  // namespace

TEST_CASE("Every exported series has the recorded name, type and labels") {
  const std::string recorded = recording("prometheus-names.json");
  MetricsOptions options;
  options.host = "h";
  Metrics metrics(options);
  RpcMetrics rpc(metrics);
  exercise(metrics, rpc);
  std::istringstream page(process_families(std::chrono::system_clock::now()) +
                          prometheus_text(metrics, std::chrono::steady_clock::now()));
  std::string line, family;
  int series = 0;
  while (std::getline(page, line)) {
    if (line.starts_with("# TYPE ")) {
      std::istringstream words(line.substr(7));
      std::string type;
      words >> family >> type;
      INFO(line);
      CHECK(recorded.find("\"" + family + "\":{\"type\":\"" + type + "\"") != std::string::npos);
    } else if (!line.starts_with("#")) {
      const std::size_t begin = line.find('{');
      const std::size_t at = recorded.find("\"" + family + "\":");
      REQUIRE(at != std::string::npos);
      const std::string entry = recorded.substr(at, recorded.find('\n', at) - at);
      INFO(line << "\n" << entry);
      const std::string names = begin == std::string::npos ? "[]" : label_names(line.substr(begin));
      CHECK(entry.find(names) != std::string::npos);
      ++series;
    }
  }
  CHECK(series > 100);
}

TEST_CASE("Recorded series that are not exported are those listed, and no others") {
  Metrics metrics(MetricsOptions{});
  RpcMetrics rpc(metrics);
  exercise(metrics, rpc);
  const std::string page =
      process_families(std::chrono::system_clock::now()) + prometheus_text(metrics, std::chrono::steady_clock::now());
  const std::set<std::string> exported = families(page, std::regex("# TYPE ([a-z0-9_]+) "));
  std::set<std::string> missing, listed;
  for (const std::string& name :
       families(recording("prometheus-names.json"), std::regex("\"([a-z0-9_]+)\":\\{\"type\""))) {
    if (!name.starts_with("go_") && !exported.contains(name)) missing.insert(name);
  }
  for (const auto& [name, reason] : missing_families()) {
    CHECK_FALSE(reason.empty());
    listed.insert(name);
  }
  CHECK(missing == listed);
}

TEST_CASE("Lines of the push sinks are among the recorded ones") {
  MetricsOptions options;
  options.host = "<HOSTNAME>";
  Metrics metrics(options);
  RpcMetrics rpc(metrics);
  metrics.keep_events(true);
  const Method method{"/SpiffeWorkloadAPI/FetchX509SVID", MethodKind::kUnary, nullptr};
  rpc.call_began(method);
  rpc.call_ended(method, StatusCode::kOk, std::chrono::milliseconds(1));
  const std::string statsd = recording("statsd.txt");
  const std::string dogstatsd = recording("dogstatsd.txt");
  const std::regex value(":[0-9.]+\\|(g|ms)");
  const std::regex float_count(":[0-9.]+\\|c");
  int lines = 0;
  metrics.drain_events([&](const MetricEvent& event) {
    const std::string dog = std::regex_replace(dogstatsd_line(event), value, ":<V>|$1");
    INFO(dog);
    CHECK(dogstatsd.find(dog) != std::string::npos);
    const std::string plain = std::regex_replace(statsd_line(event), value, ":<V>|$1");
    const std::string name = plain.substr(0, plain.find(':'));
    INFO(plain);
    CHECK(statsd.find(name) != std::string::npos);
    ++lines;
  });
  CHECK(lines == 5);
}
