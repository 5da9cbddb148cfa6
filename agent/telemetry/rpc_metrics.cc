#include "agent/telemetry/rpc_metrics.h"

#include "agent/endpoints/call_log.h"
#include "agent/telemetry/metric_text.h"
#include "agent/telemetry/names.h"

namespace steeple::agent {

using runtime::grpc::Method;
using runtime::grpc::MethodKind;
using runtime::grpc::StatusCode;

namespace {

constexpr std::string_view kWorkloadApiPrefix = "/SpiffeWorkloadAPI/";
constexpr std::string_view kFetchX509SvidPath = "/SpiffeWorkloadAPI/FetchX509SVID";

}  // namespace

std::string rpc_metric_name(std::string_view path) {
  const CallNames names = call_names(path);
  std::string out = "rpc";
  std::string_view rest = names.service;
  while (!rest.empty()) {
    const std::size_t dot = rest.find('.');
    out += "." + metric_snake_case(rest.substr(0, dot));
    rest = dot == std::string_view::npos ? std::string_view() : rest.substr(dot + 1);
  }
  // Upstream names this one by hand (pkg/common/api/middleware/names.go).
  if (names.method == "SubscribeToX509SVIDs") return out + ".subscribe_to_x509_svids";
  return out + "." + metric_snake_case(names.method);
}

RpcMetrics::RpcMetrics(runtime::Metrics& metrics)
    : metrics_(metrics),
      accepted_(&metrics.own_histogram(metric::kFirstSvidStage, {{"stage", "accept"}})),
      without_entry_(&metrics.own_counter(metric::kCallersWithoutEntry)) {}

RpcMetrics::Api* RpcMetrics::api_of(std::string_view service) {
  struct Row {
    std::string_view service, api;
  };
  static constexpr Row kApis[] = {{"WorkloadAPI", "workload_api"},
                                  {"SDS.v3", "sds_api"},
                                  {"Debug", "debug_api"},
                                  {"Logger", "logger_api"},
                                  {"DelegatedIdentity", "delegated_identity_api"}};
  for (const Row& row : kApis) {
    if (row.service != service) continue;
    const auto known = apis_.find(row.api);
    if (known != apis_.end()) return &known->second;
    const std::string name = std::string(row.api) + ".connection";
    return &apis_.emplace(row.api, Api{&metrics_.counter(name), &metrics_.gauge(name + "s")}).first->second;
  }
  return nullptr;
}

RpcMetrics::OfMethod& RpcMetrics::of(std::string_view path) {
  const auto known = methods_.find(path);
  if (known != methods_.end()) return known->second;
  OfMethod made{runtime::CallMetric(metrics_, rpc_metric_name(path)), api_of(call_names(path).service)};
  return methods_.emplace(path, std::move(made)).first->second;
}

void RpcMetrics::call_began(const Method& method) {
  Api* api = of(method.path).api;
  if (api == nullptr) return;
  api->begun->add(1);
  api->open->set(++api->open_count);
}

void RpcMetrics::connection_used(const Method& method, std::chrono::nanoseconds since_accepted) {
  if (method.path == kFetchX509SvidPath) accepted_->record(since_accepted);
}

void RpcMetrics::call_ended(const Method& method, StatusCode status, std::chrono::nanoseconds elapsed) {
  OfMethod& known = of(method.path);
  if (status == StatusCode::kCancelled && method.kind != MethodKind::kUnary) status = StatusCode::kOk;
  // The Workload API denies nothing else.
  if (status == StatusCode::kPermissionDenied && method.path.starts_with(kWorkloadApiPrefix)) without_entry_->add(1);
  known.calls.done(runtime::grpc::to_string(status), elapsed);
  if (known.api != nullptr) known.api->open->set(--known.api->open_count);
}

}  // namespace steeple::agent
