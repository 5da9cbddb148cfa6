// What the kubelet said about the node's pods, ready to be looked up by container id and pod UID. Immutable once built;
// built on a worker while the answer arrives, then shared. Terminal pods are left out; of two pods with one UID the
// later counts; pods with the same container id are kept, because SPIRE refuses to choose (attestation 1.7).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "attestation/container/container_locator.h"
#include "attestation/workload/k8s/fingerprint.h"
#include "attestation/workload/k8s/pod.h"
#include "attestation/workload/k8s/pod_list_splitter.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

// What an index knows of a container.
struct PodMatch {
  Selectors selectors;
  std::string name_space;
  struct Image {
    std::string name;
    std::string id;
  };
  std::optional<Image> image;  // nothing: the container is not listed, only its pod is
};

class PodIndex {
 public:
  void add(std::shared_ptr<const Pod> pod);

  // Nothing: no such container. kFailedPrecondition: the names were made inside a pod or container that this node
  // knows, and are not its own. kInternal: two pods have it. kUnavailable: the pod is known and cannot be decoded.
  // Without container selectors a known pod answers for containers that its status does not list.
  runtime::Result<std::optional<PodMatch>> find(const ContainerIds& query, bool container_selectors) const;

  std::size_t pods() const { return by_uid_.size(); }
  std::size_t containers() const { return by_container_.size(); }

 private:
  struct Place {
    std::size_t pod;
    std::size_t container;
  };
  bool current(std::size_t pod) const;
  runtime::Result<void> check_pods(const ContainerIds& query, const Pod* found) const;
  runtime::Result<void> check_containers(const ContainerIds& query) const;
  std::vector<std::shared_ptr<const Pod>> pods_;
  // Keys point into the pods.
  std::unordered_map<std::string_view, std::size_t> by_uid_;
  std::unordered_multimap<std::string_view, Place> by_container_;
};

// Reads one answer into an index. Used by one thread at a time; its buffers serve the next answer, too, and pods that
// have not changed since the last whole answer are taken over from it.
class PodListReader {
 public:
  PodListReader();
  void begin();
  runtime::Result<void> feed(std::string_view piece);
  runtime::Result<std::shared_ptr<const PodIndex>> finish();

  std::size_t bytes() const { return bytes_; }
  std::size_t without_uid() const { return without_uid_; }
  std::size_t parsed() const { return parsed_; }  // the others were known
  std::size_t broken() const { return broken_; }
  std::size_t malformed_ids() const { return malformed_ids_; }
  std::size_t oversized() const { return splitter_.oversized(); }

 private:
  using KnownPods = std::unordered_map<Fingerprint, std::shared_ptr<const Pod>, Fingerprint::Hash>;
  void take(std::string_view json);
  std::shared_ptr<const Pod> read(std::string_view json);
  Fingerprinter fingerprinter_;
  KnownPods known_;    // of the last whole answer
  KnownPods reading_;  // of this one
  PodParser parser_;
  PodListSplitter splitter_;
  std::shared_ptr<PodIndex> index_;
  std::size_t bytes_ = 0, without_uid_ = 0, broken_ = 0, malformed_ids_ = 0, parsed_ = 0;
};

}  // namespace steeple::attestation
