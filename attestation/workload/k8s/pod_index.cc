#include "attestation/workload/k8s/pod_index.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

void PodIndex::add(std::shared_ptr<const Pod> pod) {
  const std::size_t place = pods_.size();
  by_uid_.insert_or_assign(pod->uid, place);
  for (std::size_t i = 0; i < pod->containers.size(); ++i)
    by_container_.emplace(pod->containers[i].id, Place{place, i});
  pods_.push_back(std::move(pod));
}

bool PodIndex::current(std::size_t pod) const { return by_uid_.find(pods_[pod]->uid)->second == pod; }

// Names further out than the found ones: a pod of this node there has made the inner ones itself, unless it is the pod.
Result<void> PodIndex::check_pods(const ContainerIds& query, const Pod* found) const {
  for (const std::string& outer : query.outer_pod_uids) {
    if (!by_uid_.contains(outer) || (found && found->uid == outer)) continue;
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("multiple pod UIDs found ({}, {})", runtime::go_quote(outer),
                             runtime::go_quote(found ? found->uid : query.pod_uid)));
  }
  return {};
}

// A container cannot lie in another one that the kubelet lists.
Result<void> PodIndex::check_containers(const ContainerIds& query) const {
  for (const std::string& outer : query.outer_container_ids) {
    if (outer == query.container_id || !by_container_.contains(outer)) continue;
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("multiple container IDs found ({}, {})", runtime::go_quote(outer),
                             runtime::go_quote(query.container_id)));
  }
  return {};
}

Result<std::optional<PodMatch>> PodIndex::find(const ContainerIds& query, bool container_selectors) const {
  if (!query.pod_uid.empty()) STEEPLE_CHECK(check_pods(query, nullptr));
  const Place* found = nullptr;
  const auto [first, last] = by_container_.equal_range(query.container_id);
  for (auto at = first; at != last; ++at) {
    const Place& place = at->second;
    if (!current(place.pod) || (!query.pod_uid.empty() && pods_[place.pod]->uid != query.pod_uid)) continue;
    if (found && found->pod != place.pod) return Error(ErrorCode::kInternal, "two pods found with same container Id");
    if (!found || place.container < found->container) found = &place;
  }
  if (found) {
    const Pod& pod = *pods_[found->pod];
    STEEPLE_CHECK(check_pods(query, &pod));
    STEEPLE_CHECK(check_containers(query));
    const PodContainer& container = pod.containers[found->container];
    PodMatch match{pod.selectors, pod.name_space, PodMatch::Image{container.image, container.image_id}};
    if (container_selectors) match.selectors.merge(container.selectors);
    return std::optional(std::move(match));
  }
  const auto known = query.pod_uid.empty() ? by_uid_.end() : by_uid_.find(query.pod_uid);
  if (known == by_uid_.end()) return std::optional<PodMatch>();
  const Pod& pod = *pods_[known->second];
  if (!pod.broken.empty()) {
    return Error(ErrorCode::kUnavailable, "unable to decode pod info from kubelet response: " + pod.broken);
  }
  if (container_selectors) return std::optional<PodMatch>();
  return std::optional(PodMatch{pod.selectors, pod.name_space, std::nullopt});
}

PodListReader::PodListReader() : splitter_([this](std::string_view json) { take(json); }) { begin(); }

void PodListReader::begin() {
  splitter_.reset();
  index_ = std::make_shared<PodIndex>();
  reading_.clear();
  bytes_ = without_uid_ = broken_ = malformed_ids_ = parsed_ = 0;
}

Result<void> PodListReader::feed(std::string_view piece) {
  bytes_ += piece.size();
  return splitter_.feed(piece);
}

std::shared_ptr<const Pod> PodListReader::read(std::string_view json) {
  const std::optional<Fingerprint> print = fingerprinter_.of(json);
  if (print) {
    if (const auto same = known_.find(*print); same != known_.end()) return reading_[*print] = same->second;
  }
  ++parsed_;
  auto pod = std::make_shared<const Pod>(parser_.parse(json));
  if (print) reading_[*print] = pod;
  return pod;
}

void PodListReader::take(std::string_view json) {
  std::shared_ptr<const Pod> pod = read(json);
  malformed_ids_ += pod->malformed_ids;
  if (!pod->broken.empty() && !pod->uid.empty()) ++broken_;
  if (pod->uid.empty()) {
    ++without_uid_;
  } else if (!pod->terminal) {
    index_->add(std::move(pod));
  }
}

Result<std::shared_ptr<const PodIndex>> PodListReader::finish() {
  STEEPLE_CHECK(splitter_.finish());
  known_.swap(reading_);
  reading_.clear();
  return std::shared_ptr<const PodIndex>(std::exchange(index_, nullptr));
}

}  // namespace steeple::attestation
