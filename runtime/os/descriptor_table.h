// The process' table of file descriptors: how many it may hold, and room for them made in advance.
#pragma once

namespace steeple::runtime {

inline constexpr unsigned kDescriptorsReserved = 16'384;  // 128 KiB of kernel memory

void raise_descriptor_limit();  // to the hard limit

// Makes room for `count` descriptors, or for as many as the limit allows. To be called while there is one thread: the
// table of a process with threads grows only after an RCU grace period, some ten milliseconds for which the thread that
// opens the 65th, 257th, 513th, ... descriptor stands still, and it shrinks never.
void reserve_descriptors(unsigned count);

}  // namespace steeple::runtime
