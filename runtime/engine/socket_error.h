// Socket calls and their errors, alike for both engines.
#pragma once

#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::runtime {

// kClosed when the other end went away, else system_error().
Error socket_error(std::string_view doing, int error_number);

// What the kernel takes without waiting, perhaps 0; or a negative errno.
std::ptrdiff_t send_some(int socket_fd, BytesView bytes);
Result<std::size_t> send_now(int socket_fd, BytesView bytes);

// kLimit for a shortage of descriptors or memory, which passes; see is_shortage().
Error accept_error(int error_number);
bool is_shortage(const Error& accept_error);
// The connection in question went away before it was accepted: the next one may be fine.
bool concerns_one_connection(int accept_error_number);

}  // namespace steeple::runtime
