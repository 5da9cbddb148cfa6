// Two Transports joined in memory, with the timing of real ones: nothing is resumed inline, and a bounded pipe makes a
// writer wait for a slow reader. For tests of whatever runs over a ByteStream. I/O thread only.
#pragma once

#include <memory>
#include <utility>

#include "runtime/engine/byte_stream.h"
#include "runtime/loop/loop.h"

namespace steeple::runtime::fakes {

// `capacity`: bytes under way in each direction before send() waits. `chunk`: the most one receive() gives.
std::pair<std::unique_ptr<Transport>, std::unique_ptr<Transport>> make_memory_streams(Loop& loop,
                                                                                      std::size_t capacity = 1 << 20,
                                                                                      std::size_t chunk = 1 << 16);

}  // namespace steeple::runtime::fakes
