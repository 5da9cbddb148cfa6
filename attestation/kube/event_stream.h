// Cuts the answer to a watch into its events, JSON objects one after another, while it arrives. Fed with pieces of any
// size. Limit: kKubeEventBytesMax an event. Sans I/O; used on the worker that downloads. Errors: kMalformed, kLimit.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "attestation/kube/objects.h"

namespace steeple::attestation {

inline constexpr std::size_t kKubeEventBytesMax = 4u << 20;

class KubeEventStream {
 public:
  explicit KubeEventStream(std::function<void(KubeEvent)> on_event) : on_event_(std::move(on_event)) {}
  runtime::Result<void> feed(std::string_view piece);

 private:
  runtime::Result<void> take(char c);
  std::function<void(KubeEvent)> on_event_;
  std::string object_;
  int depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
};

}  // namespace steeple::attestation
