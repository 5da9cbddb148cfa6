// One pod of the kubelet's list as far as it becomes selectors (attestation 1.8), and its parser. Value types, any
// thread; the parser is used by one thread at a time and keeps its buffers from pod to pod.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/selector/selector.h"

namespace steeple::attestation {

struct PodContainer {
  std::string id;             // the host part of the status' URL: "containerd://ID"
  Selectors selectors;        // container-name and container-image
  std::string image = {};     // as the status names it
  std::string image_id = {};  // the same by digest
};

struct Pod {
  std::string uid;
  std::string name_space;
  bool terminal = false;  // it has ended for good, its containers, too
  std::string broken;     // not empty: why it cannot be decoded
  Selectors selectors;    // those of the pod
  // Container statuses, then those of init containers; ephemeral ones are not looked up by SPIRE. Only those with an
  // id. A malformed id is left out.
  std::vector<PodContainer> containers;
  std::size_t malformed_ids = 0;
};

// The host part of "RUNTIME://ID"; empty when there is none; nothing when it is no URL.
std::optional<std::string_view> container_id_of(std::string_view status_id);

class PodParser {
 public:
  PodParser();
  ~PodParser();
  // `json` is one object, followed by kJsonPadding readable bytes. A pod that cannot be decoded is `broken`, and its
  // uid is there if it came before the mistake.
  Pod parse(std::string_view json);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace steeple::attestation
