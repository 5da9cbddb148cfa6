#include "deploy/devserver/services/caller_counts.h"

#include <catch2/catch.hpp>

using namespace steeple;
using namespace steeple::devserver;

namespace {

constexpr std::string_view kSync = "/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries";
constexpr std::string_view kSign = "/spire.api.server.svid.v1.SVID/BatchNewX509SVID";

double value_of(const runtime::Metrics& metrics, const std::string& name, const runtime::MetricLabels& labels) {
  for (const runtime::Metric* metric : metrics.touched()) {
    if (metric->name() == name && metric->labels() == labels) return metric->value();
  }
  return 0;
}

}  // namespace

TEST_CASE("Calls and signed SVIDs are counted for each caller") {
  runtime::Metrics metrics({});
  CallerCounts counts(metrics);
  counts.called("agent-1", kSync);
  counts.called("agent-1", kSync);
  counts.called("agent-1", kSign);
  counts.called("agent-2", kSync);
  counts.signed_x509_svids("agent-1", 40);
  counts.signed_x509_svids("agent-1", 2);
  const std::string calls = "steeple.devserver_calls", svids = "steeple.devserver_x509_svids";
  CHECK(value_of(metrics, calls, {{"caller_id", "agent_1"}, {"method", "SyncAuthorizedEntries"}}) == 2);
  CHECK(value_of(metrics, calls, {{"caller_id", "agent_1"}, {"method", "BatchNewX509SVID"}}) == 1);
  CHECK(value_of(metrics, calls, {{"caller_id", "agent_2"}, {"method", "SyncAuthorizedEntries"}}) == 1);
  CHECK(value_of(metrics, svids, {{"caller_id", "agent_1"}}) == 42);
}

TEST_CASE("Callers beyond the limit share a series") {
  runtime::Metrics metrics({});
  CallerCounts counts(metrics);
  for (std::size_t number = 0; number < kCallersMax + 50; ++number) {
    counts.called("agent" + std::to_string(number), kSync);
  }
  counts.called("agent0", kSync);
  const std::string calls = "steeple.devserver_calls";
  CHECK(value_of(metrics, calls, {{"caller_id", "agent0"}, {"method", "SyncAuthorizedEntries"}}) == 2);
  CHECK(value_of(metrics, calls, {{"caller_id", "others"}, {"method", "SyncAuthorizedEntries"}}) == 50);
  CHECK(metrics.touched().size() == kCallersMax + 1);
}
