// Cuts a kubelet's answer to GET /pods into its pods while it arrives, so that no more than one pod is in memory. Fed
// with pieces of any size; looks at quotes and braces only and leaves the JSON inside a pod to the pod parser. What is
// around the pods is kept and checked at the end. Limits: a pod of kPodBytesMax, above which it is left out, and
// kAroundBytesMax around the pods. Sans I/O; used on the worker that downloads. Errors: kMalformed with the texts of
// attestation 1.6.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr std::size_t kPodBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kAroundBytesMax = 1024 * 1024;
inline constexpr std::size_t kJsonPadding = 64;  // readable bytes behind each pod, for parsers that read ahead

class PodListSplitter {
 public:
  // `pod` is what looks like one JSON value, valid during the call, followed by kJsonPadding bytes.
  using OnPod = std::function<void(std::string_view pod)>;
  explicit PodListSplitter(OnPod on_pod) : on_pod_(std::move(on_pod)) {}

  runtime::Result<void> feed(std::string_view piece);
  runtime::Result<void> finish();  // after the last piece
  void reset();                    // for the next answer; the pod buffer is kept
  std::size_t oversized() const { return oversized_; }

 private:
  enum class State { kStart, kTop, kItems, kPod, kScalar, kEnd };
  runtime::Result<void> take(std::string_view piece);
  runtime::Result<void> begin(std::string_view piece);
  void take_item(char c);
  void take_scalar(char c);
  runtime::Result<void> take_top(char c);
  void take_string(char c);
  runtime::Result<void> begin_value(char c);
  std::size_t scan_pod(std::string_view piece);
  std::size_t scan_block(const char* block);
  bool scan_byte(char c);
  void keep(std::string_view bytes);
  void end_pod();

  OnPod on_pod_;
  State state_ = State::kStart;
  int depth_ = 0;           // of the top level outside items, or of the pod
  bool in_string_ = false;  // of either
  bool escaped_ = false;    // the next byte is
  bool key_done_ = false;   // a colon came; a value follows
  bool items_seen_ = false;
  std::string text_;    // the last string at depth 1, cut
  std::string around_;  // the answer, its pods empty
  std::string pod_;
  bool too_large_ = false;
  std::size_t oversized_ = 0;
};

}  // namespace steeple::attestation
