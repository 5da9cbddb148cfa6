// Names to addresses, anew at each call. glibc resolves on a thread of its own (getaddrinfo_a), which nothing waits
// for: a dead name server delays neither the deadline nor the end of the process. I/O thread only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/loop/loop.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::runtime {

inline constexpr std::size_t kAddressesMax = 32;  // of one name; more are passed over
inline constexpr std::chrono::seconds kLookupTimeout{30};

// Addresses in getaddrinfo's order, at least one. "lookup NAME: no such host".
Task<Result<std::vector<boost::asio::ip::tcp::endpoint>>> resolve_host(Loop& loop, std::string host, std::uint16_t port,
                                                                       Deadline deadline, StopToken stop);

}  // namespace steeple::runtime
