// A connected TCP socket to host:port, through a proxy when one is given. All addresses of the name are tried in turn.
// Sets TCP_NODELAY and keep-alive. I/O thread only. For the sources of runtime/tls only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>

#include "runtime/loop/loop.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"
#include "runtime/tls/proxy.h"

namespace steeple::runtime {

// "dial tcp ADDRESS:PORT: connect: REASON" of the first address, "dial tcp: lookup NAME: no such host". kUnavailable,
// kDeadline or the token's error.
Task<Result<boost::asio::ip::tcp::socket>> dial_tcp(Loop& loop, std::string host, std::uint16_t port,
                                                    std::optional<Proxy> proxy, Deadline deadline, StopToken stop);

void set_tcp_options(boost::asio::ip::tcp::socket& socket);

}  // namespace steeple::runtime
