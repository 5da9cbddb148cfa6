#include "runtime/core/secret_bytes.h"

#include <cstring>

namespace steeple::runtime {

void wipe_memory(void* data, std::size_t size) {
  if (size != 0) explicit_bzero(data, size);
}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  if (this != &other) {
    wipe();
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

void SecretBytes::wipe() {
  wipe_memory(bytes_.data(), bytes_.size());
  bytes_.clear();
}

}  // namespace steeple::runtime
