// Cancellation with a reason. A StopSource outlives every token and callback made from it (the owner joins first).
// I/O thread only; callbacks run inside request_stop() and must not destroy the source.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::runtime {

enum class StopReason { kNone, kShutdown, kPeerGone, kCallerCancelled, kDeadline, kOverload, kReplaced, kFailure };
std::string_view to_string(StopReason reason);
Error stop_error(StopReason reason);  // kCancelled (kDeadline for that reason), with the reason in the text

class StopSource;
class StopCallback;

class StopToken {
 public:
  StopToken() = default;  // never stops
  bool stop_requested() const;
  StopReason reason() const;
  Error error() const { return stop_error(reason()); }

 private:
  friend class StopSource;
  friend class StopCallback;
  explicit StopToken(StopSource* source) : source_(source) {}
  StopSource* source_ = nullptr;
};

// Runs `action` once when the token stops, at once if it has; unregisters when destroyed.
class StopCallback {
 public:
  StopCallback(StopToken token, std::function<void(StopReason)> action);
  ~StopCallback();
  StopCallback(const StopCallback&) = delete;
  StopCallback& operator=(const StopCallback&) = delete;

 private:
  friend class StopSource;
  void unlink();
  StopSource* source_ = nullptr;
  StopCallback* previous_ = nullptr;
  StopCallback* next_ = nullptr;
  std::function<void(StopReason)> action_;
};

class StopSource {
 public:
  StopSource() = default;
  explicit StopSource(StopToken parent);  // stops with its parent, too
  ~StopSource();
  StopSource(const StopSource&) = delete;
  StopSource& operator=(const StopSource&) = delete;

  StopToken token() { return StopToken(this); }
  void request_stop(StopReason reason);  // the first call counts
  bool stop_requested() const { return reason_ != StopReason::kNone; }
  StopReason reason() const { return reason_; }

 private:
  friend class StopCallback;
  StopReason reason_ = StopReason::kNone;
  StopCallback* first_ = nullptr;
  std::unique_ptr<StopCallback> parent_link_;
};

inline bool StopToken::stop_requested() const { return source_ != nullptr && source_->stop_requested(); }
inline StopReason StopToken::reason() const { return source_ ? source_->reason() : StopReason::kNone; }

}  // namespace steeple::runtime
