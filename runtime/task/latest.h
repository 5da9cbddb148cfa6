// One slot, newest wins: a slow reader sees only the latest value and never holds up the writer. One reader. I/O thread
// only.
#pragma once

#include <optional>

#include "runtime/task/signal.h"

namespace steeple::runtime {

template <class T>
class Latest {
 public:
  explicit Latest(Loop& loop) : changed_(loop) {}

  void set(T value) {
    value_ = std::move(value);
    changed_.notify();
  }
  bool has_value() const { return value_.has_value(); }
  std::optional<T> take() { return std::exchange(value_, std::nullopt); }

  // The newest value not yet taken; waits for one.
  Task<Result<T>> next(Deadline deadline, StopToken stop) {
    while (!value_) {
      Result<void> waited = co_await changed_.wait(deadline, stop);
      if (!waited && !value_) co_return std::move(waited.error());
    }
    T value = std::move(*value_);
    value_.reset();
    co_return std::move(value);
  }

 private:
  Signal changed_;
  std::optional<T> value_;
};

}  // namespace steeple::runtime
