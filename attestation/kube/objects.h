// What all Kubernetes objects have in common, JSON to values: metadata, lists of it, the events of a watch, and the
// Status an API server refuses with (kubernetes.io, "Kubernetes API Concepts"). Sans I/O, any thread. Errors are
// kMalformed.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::attestation {

using KubeLabels = std::map<std::string, std::string, std::less<>>;

struct KubeMeta {
  std::string name;
  std::string resource_version;
  KubeLabels labels;
};

// One page of a list; the last one has an empty `next`.
struct KubeMetaList {
  std::string resource_version;
  std::string next;  // the `continue` of the next request
  std::vector<KubeMeta> items;
};

struct KubeEvent {
  enum class Kind { kAdded, kModified, kDeleted, kBookmark, kError };
  Kind kind = Kind::kError;
  KubeMeta object;      // a bookmark's has the version alone
  std::string message;  // of kError, and its code
  int code = 0;
};

runtime::Result<KubeMeta> parse_meta(std::string_view json);
runtime::Result<KubeMetaList> parse_meta_list(std::string_view json);
runtime::Result<KubeEvent> parse_event(std::string_view json);

// The message of a Status object; empty when the text is none.
std::string status_message(std::string_view json);

}  // namespace steeple::attestation
