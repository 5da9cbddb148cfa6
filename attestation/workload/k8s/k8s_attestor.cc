#include "attestation/workload/k8s/k8s_attestor.h"

#include <fmt/format.h>

#include "attestation/kube/cluster_api.h"
#include "attestation/sigstore/sigstore_images.h"
#include "attestation/workload/k8s/locate.h"
#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Logger;
using runtime::ProcessHandle;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr unsigned kNamespaceRequestsMax = 4;  // at once

std::unique_ptr<NamespaceLabels> make_namespace_labels(const K8sConfig& config, runtime::Loop& loop,
                                                       const Logger& log) {
  if (!config.enable_namespace_labels) return nullptr;
  const unsigned threads = config.api_server_cache ? 1 : kNamespaceRequestsMax;
  auto api = std::make_unique<ClusterApi>(loop, config.environment, threads);
  if (config.api_server_cache) return std::make_unique<CachedNamespaceLabels>(loop, std::move(api), log);
  return std::make_unique<LiveNamespaceLabels>(loop, std::move(api));
}

}  // namespace

Result<std::unique_ptr<WorkloadAttestor>> K8sAttestor::make(K8sConfig config, runtime::Loop& loop, const Logger& log) {
  LocateContainer locate = make_container_locator(config, log);
  auto kubelet = std::make_unique<KubeletClient>(loop, config.kubelet, log);
  if (!config.disable_kubelet_client) {
    if (Result<void> loaded = kubelet->load(); !loaded) {
      return Error(ErrorCode::kInvalidArgument, loaded.error().message());
    }
  }
  auto labels = make_namespace_labels(config, loop, log);
  std::unique_ptr<ImageTrust> images;
  if (config.sigstore) images = std::make_unique<SigstoreImages>(config.sigstore, config.environment, loop, log);
  return std::make_unique<K8sAttestor>(std::move(config), loop, std::move(locate), std::move(kubelet),
                                       std::move(labels), log, std::move(images));
}

K8sAttestor::K8sAttestor(K8sConfig config, runtime::Loop& loop, LocateContainer locate,
                         std::unique_ptr<PodSource> source, std::unique_ptr<NamespaceLabels> labels, const Logger& log,
                         std::unique_ptr<ImageTrust> images)
    : config_(std::move(config)),
      loop_(loop),
      locate_(std::move(locate)),
      log_(log),
      pods_(loop, std::move(source), {config_.poll_retry_interval, config_.pod_index_max_age}, log),
      labels_(std::move(labels)),
      images_(std::move(images)) {}

std::vector<WorkloadAttestor::Figure> K8sAttestor::figures() const {
  const PodList::Counters& counted = pods_.counters();
  return {{"kubelet_requests", counted.fetches},
          {"kubelet_failures", counted.failures},
          {"pod_index_hits", counted.hits},
          {"pod_index_misses", counted.misses},
          {"pod_index_outage_answers", counted.outage_answers}};
}

Task<void> K8sAttestor::close() {
  co_await pods_.close();
  if (labels_) co_await labels_->close();
  if (images_) co_await images_->close();
}

Task<Result<void>> K8sAttestor::prepare(Deadline deadline, StopToken stop) {
  if (!images_) co_return Result<void>();
  Result<void> prepared = co_await images_->prepare(deadline, stop);
  co_return runtime::with_context(std::move(prepared), kSigstoreNotReady);
}

Task<Result<Selectors>> K8sAttestor::attest(const ProcessHandle& process, Deadline deadline, StopToken stop) {
  if (config_.disable_kubelet_client) co_return Error(ErrorCode::kFailedPrecondition, "kubelet client is disabled");
  STEEPLE_CO_TRY(query, locate_(process));
  if (query.container_id.empty()) co_return Selectors();
  co_return co_await find(std::move(query), deadline, stop);
}

K8sAttestor::Found K8sAttestor::look_up(const PodIndex* index, const ContainerIds& query) const {
  if (index == nullptr) return std::optional<PodMatch>();
  return index->find(query, !config_.disable_container_selectors);
}

K8sAttestor::Found K8sAttestor::answer_in_outage(const ContainerIds& query) {
  Found known = look_up(pods_.last_good(), query);
  if (known && *known) pods_.note_outage_answer();
  return known;
}

Error K8sAttestor::give_up(const Logger& log, const Error* fetch_error) const {
  if (fetch_error) {
    log.warning("Unable to get pod list; giving up", {{"error", *fetch_error}});
    return Error(ErrorCode::kUnavailable, fetch_error->message());
  }
  log.warning("Container id not found; giving up");
  return Error(ErrorCode::kDeadline, "no selectors found after max poll attempts");
}

void K8sAttestor::log_retry(const Logger& log, const Error* fetch_error) const {
  if (fetch_error) {
    log.warning("Unable to get pod list; will retry after backoff",
                {{"error", *fetch_error}, {"retry_interval", pods_.delay()}});
  } else if (log.enabled(runtime::LogLevel::kDebug)) {
    log.debug("Container id not found; will retry after backoff", {{"retry_interval", pods_.delay()}});
  }
}

Task<Result<Selectors>> K8sAttestor::find(ContainerIds query, Deadline deadline, StopToken stop) {
  Result<PodMatch> found = co_await find_pod(query, deadline, stop);
  if (!found && found.error().code() == ErrorCode::kInternal) {
    log_.warning("Two pods found with same container Id",
                 {{"pod_uid", query.pod_uid}, {"container_id", query.container_id}});
  }
  STEEPLE_CO_TRY(pod, std::move(found));
  if (labels_) STEEPLE_CO_CHECK(co_await add_namespace_labels(pod, deadline, stop));
  if (images_ && pod.image) STEEPLE_CO_CHECK(co_await add_image_selectors(pod, deadline, stop));
  co_return std::move(pod.selectors);
}

Task<Result<void>> K8sAttestor::add_namespace_labels(PodMatch& pod, Deadline deadline, StopToken stop) {
  Result<KubeLabels> labels = co_await labels_->of(pod.name_space, deadline, stop);
  if (!labels && (stop.stop_requested() || deadline.passed(loop_.now()))) co_return std::move(labels.error());
  if (!labels) {
    co_return Error(ErrorCode::kInternal, fmt::format("unable to get namespace labels for {}: {}",
                                                      runtime::go_quote(pod.name_space), labels.error().message()));
  }
  pod.selectors.merge(namespace_selectors(*labels));
  co_return Result<void>();
}

Task<Result<void>> K8sAttestor::add_image_selectors(PodMatch& pod, Deadline deadline, StopToken stop) {
  log_.debug("Attempting to verify sigstore image signature", {{"image", pod.image->name}});
  Result<ImageSelectors> values = co_await images_->verify(pod.image->id, deadline, stop);
  if (!values && (stop.stop_requested() || deadline.passed(loop_.now()))) co_return std::move(values.error());
  if (!values) {
    co_return Error(ErrorCode::kInternal, fmt::format("error verifying sigstore image signature for imageID {}: {}",
                                                      pod.image->id, values.error().message()));
  }
  pod.selectors.merge(Selectors::of_type(kK8sName, std::move(*values)));
  co_return Result<void>();
}

Task<Result<PodMatch>> K8sAttestor::find_pod(const ContainerIds& query, Deadline deadline, StopToken stop) {
  if (query.below_user_manager) {
    co_return Error(ErrorCode::kFailedPrecondition,
                    "the container's names stand below a user's service manager, where that user chooses all names");
  }
  STEEPLE_CO_TRY(hit, look_up(pods_.fresh(), query));
  pods_.note_look_up(hit.has_value());
  if (hit) co_return std::move(*hit);
  const Logger log = log_.with({{"pod_uid", query.pod_uid}, {"container_id", query.container_id}});
  PollAttempts attempts(config_.poll_retry_interval, loop_.now());
  for (;;) {
    if (pods_.in_outage()) {
      STEEPLE_CO_TRY(known, answer_in_outage(query));
      if (known) {
        pods_.want(query.container_id);  // the kubelet is asked again meanwhile
        co_return std::move(*known);
      }
    }
    const Found old = look_up(pods_.last_good(), query);
    const bool known = old && *old;
    const Deadline patience = known ? deadline.sooner(Deadline::after(loop_.now(), kKnownContainerPatience)) : deadline;
    auto fetched = co_await pods_.next(query.container_id, patience, stop);
    if (fetched) {
      STEEPLE_CO_TRY(found, look_up(fetched->get(), query));
      if (found) co_return std::move(*found);
    } else if (fetched.error().code() == ErrorCode::kClosed) {
      co_return Error(ErrorCode::kUnavailable, fetched.error().message());
    } else if (stop.stop_requested() || deadline.passed(loop_.now())) {
      co_return std::move(fetched.error());
    } else if (known) {
      pods_.note_outage_answer();
      co_return PodMatch(**old);
    }
    const Error* fetch_error = fetched ? nullptr : &fetched.error();
    const std::int64_t attempt = attempts.count(loop_.now());
    const Logger attempt_log = log.with({{"attempt", attempt}});
    if (attempt >= config_.max_poll_attempts) co_return give_up(attempt_log, fetch_error);
    log_retry(attempt_log, fetch_error);
  }
}

}  // namespace steeple::attestation
