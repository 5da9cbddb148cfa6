#include "attestation/kube/watcher.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "runtime/task/timeout.h"

namespace steeple::attestation {

namespace {

constexpr int kGone = 410;

}  // namespace

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

KubeWatcher::KubeWatcher(runtime::Loop& loop, KubeApi& api, Target target, KubeListener& listener, runtime::Logger log,
                         runtime::Backoff::Limits retry)
    : loop_(loop),
      api_(api),
      target_(std::move(target)),
      listener_(listener),
      log_(log.with({{"path", target_.path}})),
      backoff_(retry, runtime::system_random_unit(), loop.now()) {}

KubeRequest KubeWatcher::request(std::string_view kind, std::string query) const {
  if (!target_.query.empty()) query += "&" + target_.query;
  KubeRequest request;
  request.path = fmt::format("{}?{}", target_.path, query);
  request.accept = fmt::format("application/json;as={};g=meta.k8s.io;v=v1,application/json", kind);
  return request;
}

Task<void> KubeWatcher::run(StopToken stop) {
  while (!stop.stop_requested()) {
    Result<void> ended = co_await list(stop);
    if (ended) {
      if (last_error_) log_.info("Objects of the API server are watched again");
      last_error_.reset();
      lost_since_.reset();
      in_step_ = true;
      ended = co_await follow(stop);
    }
    if (stop.stop_requested()) co_return;
    note_lost(ended ? Error(ErrorCode::kUnavailable, "the watch ended") : std::move(ended.error()));
    const auto wait = backoff_.next(loop_.now()).value_or(kKubeRelistMax);
    if (!co_await runtime::sleep_until(loop_, Deadline::after(loop_.now(), wait), stop)) co_return;
  }
}

// The first failure of a row is worth a line; the others are the same outage.
void KubeWatcher::note_lost(Error error) {
  if (in_step_) lost_since_ = loop_.now();
  if (std::exchange(gone_, false)) {
    log_.debug("Objects of the API server are listed anew", {{"error", error}});
  } else {
    if (!last_error_ || last_error_->code() != error.code()) {
      log_.warning("Objects of the API server cannot be watched; will retry after backoff", {{"error", error}});
    }
    last_error_ = std::move(error);
  }
  if (!std::exchange(in_step_, false)) return;
  listener_.lost();
}

Task<Result<void>> KubeWatcher::list(StopToken stop) {
  std::vector<KubeMeta> all;
  std::string next;
  do {
    std::string query = fmt::format("limit={}", kKubeListPage);
    if (!next.empty()) query += "&continue=" + path_segment(next);
    const Deadline deadline = Deadline::after(loop_.now(), kKubeRequestTimeout);
    STEEPLE_CO_TRY(answer, co_await api_.call(request("PartialObjectMetadataList", std::move(query)), deadline, stop));
    STEEPLE_CO_TRY(page, parse_meta_list(answer));
    next = std::move(page.next);
    version_ = std::move(page.resource_version);
    all.insert(all.end(), std::make_move_iterator(page.items.begin()), std::make_move_iterator(page.items.end()));
  } while (!next.empty());
  listener_.listed(std::move(all));
  co_return Result<void>();
}

Task<Result<void>> KubeWatcher::follow(StopToken stop) {
  for (;;) {
    refused_.reset();
    heard_ = gone_ = false;
    const auto seconds = std::chrono::seconds(kKubeWatchTime).count();
    KubeRequest watch = request("PartialObjectMetadata",
                                fmt::format("watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
                                            path_segment(version_), seconds));
    const runtime::SteadyTime began = loop_.now();
    const Deadline deadline = Deadline::after(began, kKubeWatchTime + kKubeWatchGrace);
    const auto on_event = [this](const KubeEvent& event) { take(event); };
    STEEPLE_CO_CHECK(co_await api_.watch(std::move(watch), on_event, deadline, stop));
    if (refused_) co_return std::move(*refused_);
    if (!heard_ && loop_.now() - began < kKubeWatchTooShort) {
      co_return Error(ErrorCode::kUnavailable, "the API server ends watches at once");
    }
  }
}

void KubeWatcher::take(const KubeEvent& event) {
  if (event.kind == KubeEvent::Kind::kError) {
    gone_ = event.code == kGone;
    refused_ = Error(ErrorCode::kUnavailable, event.message);
    return;
  }
  if (refused_) return;
  heard_ = true;
  backoff_.reset(loop_.now());
  if (!event.object.resource_version.empty()) version_ = event.object.resource_version;
  if (event.kind == KubeEvent::Kind::kBookmark) return;
  if (event.kind == KubeEvent::Kind::kDeleted) {
    listener_.removed(event.object.name);
  } else {
    listener_.changed(event.object);
  }
}

}  // namespace steeple::attestation
