#include "attestation/workload/k8s/namespace_labels.h"

#include <fmt/format.h>

#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopReason;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr char kNamespaces[] = "/api/v1/namespaces";

Error not_set_up(const Error& cause) { return cause.with_context("unable to set up kube client"); }

std::string doing(const std::string& name_space) {
  return fmt::format("unable to get namespace {}", runtime::go_quote(name_space));
}

}  // namespace

Selectors namespace_selectors(const KubeLabels& labels) {
  std::vector<Selector> found;
  for (const auto& [key, value] : labels) found.emplace_back("k8s", fmt::format("ns-label:{}:{}", key, value));
  return Selectors(std::move(found));
}

struct LiveNamespaceLabels::Flight {
  explicit Flight(runtime::Loop& loop) : done(loop) {}
  runtime::Signal done;
  std::optional<Result<KubeLabels>> answer;
};

LiveNamespaceLabels::LiveNamespaceLabels(runtime::Loop& loop, std::unique_ptr<KubeApi> api)
    : loop_(loop), api_(std::move(api)), tasks_(loop) {}

std::shared_ptr<LiveNamespaceLabels::Flight> LiveNamespaceLabels::join(const std::string& name_space) {
  if (const auto under_way = flights_.find(name_space); under_way != flights_.end()) return under_way->second;
  auto flight = std::make_shared<Flight>(loop_);
  flights_.emplace(name_space, flight);
  if (!tasks_.spawn(fetch(name_space, flight))) {
    flights_.erase(name_space);
    flight->answer = Error(ErrorCode::kClosed, "the attestor is closed");
  }
  return flight;
}

Task<void> LiveNamespaceLabels::fetch(std::string name_space, std::shared_ptr<Flight> flight) {
  KubeRequest request;
  request.path = fmt::format("{}/{}", kNamespaces, path_segment(name_space));
  request.accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
  Result<std::string> answer =
      co_await api_->call(std::move(request), Deadline::after(loop_.now(), kNamespacePatience), tasks_.token());
  Result<KubeMeta> found = answer ? parse_meta(*answer) : Result<KubeMeta>(std::move(answer.error()));
  if (found) {
    flight->answer = std::move(found->labels);
  } else {
    flight->answer = std::move(found.error()).with_context(doing(name_space));
  }
  flights_.erase(name_space);
  flight->done.notify();
}

Task<Result<KubeLabels>> LiveNamespaceLabels::of(std::string name_space, Deadline deadline, StopToken stop) {
  if (Result<void> ready = api_->ready(); !ready) co_return not_set_up(ready.error());
  if (name_space.empty()) {
    co_return Error(ErrorCode::kInvalidArgument, "resource name may not be empty").with_context(doing(name_space));
  }
  const std::shared_ptr<Flight> flight = join(name_space);
  while (!flight->answer) STEEPLE_CO_CHECK(co_await flight->done.wait(deadline, stop));
  co_return *flight->answer;
}

Task<void> LiveNamespaceLabels::close() {
  tasks_.close(StopReason::kShutdown);
  co_await tasks_.join();
}

CachedNamespaceLabels::CachedNamespaceLabels(runtime::Loop& loop, std::unique_ptr<KubeApi> api,
                                             const runtime::Logger& log, runtime::Backoff::Limits retry)
    : loop_(loop),
      api_(std::move(api)),
      watcher_(loop, *api_, {kNamespaces, ""}, *this, log, retry),
      listed_(loop),
      tasks_(loop) {}

void CachedNamespaceLabels::listed(std::vector<KubeMeta> all) {
  labels_.clear();
  for (KubeMeta& object : all) labels_.emplace(std::move(object.name), std::move(object.labels));
  synced_ = true;
  listed_.notify();
}

bool CachedNamespaceLabels::usable() const {
  const auto lost = watcher_.lost_since();
  return synced_ && (!lost || loop_.now() - *lost < kNamespacesStaleMax);
}

Task<Result<KubeLabels>> CachedNamespaceLabels::of(std::string name_space, Deadline deadline, StopToken stop) {
  if (Result<void> ready = api_->ready(); !ready) co_return not_set_up(ready.error());
  if (!started_) started_ = tasks_.spawn(watcher_.run(tasks_.token()));
  const Deadline patience = deadline.sooner(Deadline::after(loop_.now(), kNamespacePatience));
  while (!usable()) {
    Result<void> waited = co_await listed_.wait(patience, stop);
    if (waited) continue;
    if (stop.stop_requested() || deadline.passed(loop_.now())) co_return std::move(waited.error());
    std::string text = "Timeout: failed waiting for *v1.PartialObjectMetadata Informer to sync";
    if (watcher_.last_error()) text += ": " + watcher_.last_error()->message();
    co_return Error(ErrorCode::kUnavailable, std::move(text)).with_context(doing(name_space));
  }
  const auto found = labels_.find(name_space);
  if (found != labels_.end()) co_return found->second;
  co_return Error(ErrorCode::kNotFound, fmt::format("Namespace {} not found", runtime::go_quote(name_space)))
      .with_context(doing(name_space));
}

Task<void> CachedNamespaceLabels::close() {
  tasks_.close(StopReason::kShutdown);
  co_await tasks_.join();
}

}  // namespace steeple::attestation
