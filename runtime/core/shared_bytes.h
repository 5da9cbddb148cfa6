// Immutable bytes shared by many readers (one encoded answer for thousands of streams). Wiped on release when secret.
// I/O thread only: the count is not atomic.
#pragma once

#include "runtime/core/bytes.h"

namespace steeple::runtime {

class SharedBytes {
 public:
  SharedBytes() = default;
  explicit SharedBytes(Bytes bytes, bool secret = false);
  SharedBytes(const SharedBytes& other) noexcept : block_(other.block_) { retain(); }
  SharedBytes(SharedBytes&& other) noexcept : block_(other.block_) { other.block_ = nullptr; }
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBytes() { release(); }

  BytesView view() const { return block_ ? BytesView(block_->bytes) : BytesView(); }
  std::size_t size() const { return block_ ? block_->bytes.size() : 0; }
  bool empty() const { return size() == 0; }
  explicit operator bool() const { return block_ != nullptr; }

 private:
  struct Block {
    std::size_t owners;
    bool secret;
    Bytes bytes;
  };
  void retain() noexcept {
    if (block_) ++block_->owners;
  }
  void release() noexcept;
  Block* block_ = nullptr;
};

}  // namespace steeple::runtime
