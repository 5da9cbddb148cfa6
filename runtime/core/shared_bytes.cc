#include "runtime/core/shared_bytes.h"

#include "runtime/core/secret_bytes.h"

namespace steeple::runtime {

SharedBytes::SharedBytes(Bytes bytes, bool secret) : block_(new Block{1, secret, std::move(bytes)}) {}

void SharedBytes::release() noexcept {
  if (block_ == nullptr || --block_->owners != 0) return;
  if (block_->secret) wipe_memory(block_->bytes.data(), block_->bytes.size());
  delete block_;
  block_ = nullptr;
}

}  // namespace steeple::runtime
