// Bytes of a private key or token: wiped when they are released or replaced, never copied by accident, never logged.
#pragma once

#include "runtime/core/bytes.h"

namespace steeple::runtime {

class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(Bytes bytes) : bytes_(std::move(bytes)) {}
  explicit SecretBytes(BytesView bytes) : bytes_(bytes.begin(), bytes.end()) {}
  SecretBytes(SecretBytes&& other) noexcept : bytes_(std::move(other.bytes_)) { other.bytes_.clear(); }
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() { wipe(); }

  SecretBytes clone() const { return SecretBytes(BytesView(bytes_)); }
  BytesView view() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return bytes_.size(); }
  void wipe();

 private:
  Bytes bytes_;
};

// Overwrites memory in a way the compiler may not remove.
void wipe_memory(void* data, std::size_t size);

}  // namespace steeple::runtime
