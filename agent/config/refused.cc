// The one table of features that SPIRE's agent has and this version of Steeple has not. A key in it is refused by name
// when it is set to anything but its default. To add a feature: implement it, take its line out.
#include <fmt/format.h>

#include "agent/config/checks.h"
#include "agent/config/schema.h"

namespace steeple::agent {
namespace {

struct Refusal {
  std::string_view name;
  bool (*is_set)(const ConfigFile& file);
};

constexpr Refusal kRefusals[] = {
    {"agent.trust_bundle_spiffe_workload_api",
     [](const ConfigFile& f) { return !f.agent.trust_bundle_spiffe_workload_api.empty(); }},
    {"agent.experimental.require_pq_kem", [](const ConfigFile& f) { return f.agent.experimental.require_pq_kem; }},
    {"agent.experimental.broker", [](const ConfigFile& f) { return f.agent.experimental.broker.has_value(); }},
    {"agent.experimental.feature_flags",
     [](const ConfigFile& f) { return !f.agent.experimental.feature_flags.empty(); }},
    {"telemetry.M3", [](const ConfigFile& f) { return !f.telemetry.m3.empty(); }},
};

}  // namespace

runtime::Result<void> refuse_missing_features(const ConfigFile& file) {
  for (const Refusal& refusal : kRefusals) {
    if (refusal.is_set(file)) {
      return runtime::Error(runtime::ErrorCode::kUnimplemented,
                            fmt::format("{} is not available in this version of Steeple", refusal.name));
    }
  }
  return {};
}

}  // namespace steeple::agent
