#include "agent/plugin/metrics_service.h"

#include <fmt/format.h>

#include "spire/hostservice/common/metrics/v1/metrics.pb.h"

namespace steeple::agent {

using runtime::MetricKind;
using runtime::MetricLabels;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

namespace wire = spire::hostservice::common::metrics::v1;
using Kind = PluginMetricsService::Kind;

template <Kind kKind>
Task<Status> handle(void* service, ServerCall& call) {
  return static_cast<PluginMetricsService*>(service)->take(kKind, call);
}

Task<Status> refuse_key(void*, ServerCall&) {
  co_return Status(StatusCode::kUnimplemented, "EmitKey is not available in this version of Steeple");
}

template <class Names>
std::string dotted(const Names& names) {
  return fmt::format("{}", fmt::join(names, "."));
}

template <class Labels>
MetricLabels labels_of(const Labels& labels) {
  MetricLabels out;
  for (const wire::Label& label : labels) out.emplace_back(label.name(), label.value());
  return out;
}

double milliseconds_since(std::int64_t unix_nanoseconds) {
  const auto now =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  return static_cast<double>(now.count() - unix_nanoseconds) / 1e6;
}

}  // namespace

void PluginMetricsService::add_to(runtime::grpc::ServiceTable& table) {
  table.add(this,
            {{"/spire.hostservice.common.metrics.v1.Metrics/IncrCounter", MethodKind::kUnary, &handle<Kind::kCounter>},
             {"/spire.hostservice.common.metrics.v1.Metrics/SetGauge", MethodKind::kUnary, &handle<Kind::kGauge>},
             {"/spire.hostservice.common.metrics.v1.Metrics/AddSample", MethodKind::kUnary, &handle<Kind::kSample>},
             {"/spire.hostservice.common.metrics.v1.Metrics/MeasureSince", MethodKind::kUnary, &handle<Kind::kSince>},
             {"/spire.hostservice.common.metrics.v1.Metrics/EmitKey", MethodKind::kUnary, &refuse_key}});
}

// All requests but EmitKey's have the same fields; a time is a number of another kind.
Task<Status> PluginMetricsService::take(Kind kind, ServerCall& call) {
  const runtime::BytesView bytes = call.request();
  const Status malformed(StatusCode::kInternal, "grpc: failed to unmarshal the received message");
  Status counted;
  if (kind == Kind::kSince) {
    wire::MeasureSinceRequest request;
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) co_return malformed;
    counted = count(kind, dotted(request.key()), labels_of(request.labels()), milliseconds_since(request.time()));
  } else {
    wire::AddSampleRequest request;
    if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) co_return malformed;
    counted = count(kind, dotted(request.key()), labels_of(request.labels()), static_cast<double>(request.val()));
  }
  if (!counted.is_ok()) co_return counted;
  (void)co_await call.send(runtime::grpc::make_message({}));
  co_return Status::ok();
}

bool PluginMetricsService::admit(Kind kind, const std::string& name, const MetricLabels& labels) {
  std::string key = fmt::format("{}{}", static_cast<int>(kind), name);
  for (const auto& [label, value] : labels) key.append(1, '\0').append(label).append(1, '=').append(value);
  if (known_.contains(key)) return true;
  if (known_.size() >= kPluginSeriesMax || key.size() > kPluginSeriesNameMax) return false;
  known_.insert(std::move(key));
  return true;
}

Status PluginMetricsService::count(Kind kind, const std::string& name, MetricLabels labels, double value) {
  if (!metrics_.enabled()) return Status::ok();
  if (!admit(kind, name, labels)) {
    return Status(StatusCode::kResourceExhausted, "too many series, or too long a name");
  }
  const bool counter = kind == Kind::kCounter, gauge = kind == Kind::kGauge;
  runtime::Metric& series = counter ? metrics_.counter(name, std::move(labels))
                            : gauge ? metrics_.gauge(name, std::move(labels))
                                    : metrics_.sample(name, std::move(labels));
  if (series.name().empty()) return Status::ok();  // left out by the configuration
  // A name that the agent, or another call, counts in another way.
  const MetricKind wanted = counter ? MetricKind::kCounter : gauge ? MetricKind::kGauge : MetricKind::kSample;
  if (series.kind() != wanted) return Status(StatusCode::kInvalidArgument, "a series of another kind has that name");
  if (counter) series.add(value);
  if (gauge) series.set(value);
  if (!counter && !gauge) series.observe(value);
  return Status::ok();
}

}  // namespace steeple::agent
