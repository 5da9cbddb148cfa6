// Lines of a stream, each up to `size_max` bytes: a longer one comes in pieces. Sans I/O. "\r\n" ends a line as "\n"
// does.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/bytes.h"

namespace steeple::agent {

class LineSplitter {
 public:
  explicit LineSplitter(std::size_t size_max) : size_max_(size_max) {}

  // take(text, whole): `whole` is false for each piece of a line that was too long.
  template <class Take>
  void feed(std::string_view bytes, Take&& take) {
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      const std::size_t size = std::min(end == std::string_view::npos ? bytes.size() : end, size_max_ - kept_.size());
      kept_ += bytes.substr(0, size);
      bytes.remove_prefix(size);
      if (bytes.starts_with('\n')) {
        bytes.remove_prefix(1);
        if (kept_.ends_with('\r')) kept_.pop_back();
        give(take, !in_long_line_);
        in_long_line_ = false;
      } else if (kept_.size() == size_max_) {
        in_long_line_ = true;
        give(take, false);
      }
    }
  }

  // What stands behind the last newline.
  template <class Take>
  void end(Take&& take) {
    if (!kept_.empty()) give(take, !in_long_line_);
    in_long_line_ = false;
  }

 private:
  template <class Take>
  void give(Take& take, bool whole) {
    take(std::string_view(kept_), whole);
    kept_.clear();
  }

  std::size_t size_max_;
  std::string kept_;
  bool in_long_line_ = false;
};

}  // namespace steeple::agent
