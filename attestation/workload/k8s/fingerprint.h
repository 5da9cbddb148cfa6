// A keyed fingerprint of bytes, to know a pod that has not changed since the last answer without reading it again. The
// key is random and never leaves the object, so nobody can shape two pods that look the same (GHASH under AES-128-GCM;
// a chance of about size/2^124 per pair). Used by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

namespace steeple::attestation {

class Fingerprint {
 public:
  std::array<std::uint8_t, 16> bytes{};
  bool operator==(const Fingerprint&) const = default;

  struct Hash {
    std::size_t operator()(const Fingerprint& print) const {
      std::size_t hash;
      std::memcpy(&hash, print.bytes.data(), sizeof hash);
      return hash;
    }
  };
};

class Fingerprinter {
 public:
  Fingerprinter();
  ~Fingerprinter();
  std::optional<Fingerprint> of(std::string_view text);  // nothing when the library refuses

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace steeple::attestation
