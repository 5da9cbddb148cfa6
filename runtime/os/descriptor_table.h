// The process' table of file descriptors: how many it may hold, room for them made in advance, and the last of them,
// which connections leave to the agent's own work: files of /proc, a connection to the server, what is stored.
#pragma once

#include <sys/resource.h>

#include <optional>

namespace steeple::runtime {

inline constexpr unsigned kDescriptorsReserved = 16'384;  // 128 KiB of kernel memory
inline constexpr rlim_t kDescriptorsKeptBack = 64;        // at most a quarter of the limit

// To the hard limit; gives what it was, if that was less.
std::optional<rlim_t> raise_descriptor_limit();

// Makes room for `count` descriptors, or for as many as the limit allows. To be called while there is one thread: the
// table of a process with threads grows only after an RCU grace period, some ten milliseconds for which the thread that
// opens the 65th, 257th, 513th, ... descriptor stands still, and it shrinks never.
void reserve_descriptors(unsigned count);

// The limit is read once, after start. The lowest free number is always taken, so a new descriptor's says how many are
// in use. Any thread.
rlim_t descriptor_limit();
bool is_kept_back(int newest_descriptor);
bool descriptors_are_left();              // a new one would not be of those kept back
bool descriptors_are_scarce(int newest);  // more than half are in use

}  // namespace steeple::runtime
