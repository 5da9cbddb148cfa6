#include "runtime/task/stop_token.h"

#include "runtime/core/assert.h"

namespace steeple::runtime {

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::kNone:
      return "not stopped";
    case StopReason::kShutdown:
      return "shutting down";
    case StopReason::kPeerGone:
      return "peer is gone";
    case StopReason::kCallerCancelled:
      return "cancelled by the caller";
    case StopReason::kDeadline:
      return "deadline exceeded";
    case StopReason::kOverload:
      return "overload";
    case StopReason::kReplaced:
      return "replaced";
    case StopReason::kFailure:
      return "failure of another part";
  }
  return "unknown";
}

Error stop_error(StopReason reason) {
  ErrorCode code = reason == StopReason::kDeadline ? ErrorCode::kDeadline : ErrorCode::kCancelled;
  return Error(code, std::string(to_string(reason)));
}

StopCallback::StopCallback(StopToken token, std::function<void(StopReason)> action) : action_(std::move(action)) {
  if (token.source_ == nullptr) return;
  if (token.source_->stop_requested()) {
    action_(token.source_->reason());
    return;
  }
  source_ = token.source_;
  next_ = source_->first_;
  if (next_) next_->previous_ = this;
  source_->first_ = this;
}

StopCallback::~StopCallback() { unlink(); }

void StopCallback::unlink() {
  if (source_ == nullptr) return;
  if (previous_) previous_->next_ = next_;
  if (next_) next_->previous_ = previous_;
  if (source_->first_ == this) source_->first_ = next_;
  source_ = nullptr;
  previous_ = next_ = nullptr;
}

StopSource::StopSource(StopToken parent) {
  if (parent.source_ == nullptr) return;
  parent_link_ = std::make_unique<StopCallback>(parent, [this](StopReason reason) { request_stop(reason); });
}

StopSource::~StopSource() { STEEPLE_ASSERT(first_ == nullptr); }

void StopSource::request_stop(StopReason reason) {
  STEEPLE_ASSERT(reason != StopReason::kNone);
  if (stop_requested()) return;
  reason_ = reason;
  while (StopCallback* callback = first_) {
    callback->unlink();
    // Moved out first: the action may destroy the callback object.
    auto action = std::move(callback->action_);
    action(reason);
  }
}

}  // namespace steeple::runtime
