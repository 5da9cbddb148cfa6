// Reading an agent.conf of ordinary size. Only at start; it must stay small beside the 10 ms of a start.
#include <benchmark/benchmark.h>

#include <string>

#include "agent/config/hcl/parser.h"

namespace {

void parse_agent_conf(benchmark::State& state) {
  const std::string text = R"(agent {
  data_dir = "/opt/spire/data/agent"
  log_level = "INFO"
  server_address = "spire-server"
  server_port = "8081"
  socket_path = "/run/spire/sockets/agent.sock"
  trust_bundle_path = "/run/spire/bundle/bundle.crt"
  trust_domain = "example.org"
}
plugins {
  NodeAttestor "k8s_psat" { plugin_data { cluster = "production" } }
  KeyManager "memory" { plugin_data {} }
  WorkloadAttestor "k8s" { plugin_data { skip_kubelet_verification = true node_name_env = "MY_NODE_NAME" } }
  WorkloadAttestor "unix" { plugin_data {} }
}
health_checks {
  listener_enabled = true
  bind_address = "0.0.0.0"
  bind_port = "8080"
  live_path = "/live"
  ready_path = "/ready"
}
)";
  for (auto _ : state) {
    auto document = steeple::agent::hcl::parse_hcl(text);
    if (!document) std::abort();
    benchmark::DoNotOptimize(document);
  }
}
BENCHMARK(parse_agent_conf)->Unit(benchmark::kMicrosecond);

}  // namespace
