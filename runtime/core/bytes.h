// Byte vocabulary: owned bytes and a view of bytes. No allocation policy, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace steeple::runtime {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

inline BytesView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(BytesView bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes to_bytes(BytesView view) { return {view.begin(), view.end()}; }
inline std::string to_text(BytesView view) { return std::string(as_text(view)); }

}  // namespace steeple::runtime
