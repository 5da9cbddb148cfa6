#include "runtime/tls/tcp_dial.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "runtime/os/file.h"
#include "runtime/task/async_op.h"
#include "runtime/task/timeout.h"
#include "runtime/tls/resolver.h"
#include "runtime/tls/tls_transport.h"

namespace steeple::runtime {
namespace {

using boost::asio::ip::tcp;
using ErrorCodeOf = boost::system::error_code;

std::string text_of(const tcp::endpoint& endpoint) {
  return join_host_port(endpoint.address().to_string(), endpoint.port());
}

Task<Result<tcp::socket>> dial_address(Loop& loop, tcp::endpoint endpoint, Deadline deadline, StopToken stop) {
  tcp::socket socket(loop.io());
  std::string doing = "dial tcp " + text_of(endpoint);
  ErrorCodeOf opened;
  socket.open(endpoint.protocol(), opened);
  if (opened) co_return Error(ErrorCode::kUnavailable, doing + ": socket: " + go_errno_text(opened.value()));
  Timeout timeout(loop, deadline, stop);
  auto [error] = co_await async_op<ErrorCodeOf>(
      [&](auto handler) { socket.async_connect(endpoint, std::move(handler)); }, timeout.token());
  if (stop.stop_requested()) co_return stop.error();
  if (timeout.token().stop_requested()) co_return Error(ErrorCode::kDeadline, doing + ": i/o timeout");
  if (error) co_return Error(ErrorCode::kUnavailable, doing + ": connect: " + go_errno_text(error.value()));
  set_tcp_options(socket);
  co_return std::move(socket);
}

Task<Result<tcp::socket>> dial_any(Loop& loop, std::string host, std::uint16_t port, Deadline deadline,
                                   StopToken stop) {
  STEEPLE_CO_TRY(endpoints,
                 with_context(co_await resolve_host(loop, std::move(host), port, deadline, stop), "dial tcp"));
  std::optional<Error> first;
  for (std::size_t i = 0; i < endpoints.size(); ++i) {
    // A silent address must not use up the time of those after it.
    Deadline bound = deadline;
    std::size_t left = endpoints.size() - i;
    if (left > 1) {
      auto share = deadline.is_never() ? kTcpConnectAttemptTimeout : deadline.left(loop.now()) / left;
      bound = Deadline::after(loop.now(), std::min<std::chrono::nanoseconds>(share, kTcpConnectAttemptTimeout));
    }
    Result<tcp::socket> socket = co_await dial_address(loop, endpoints[i], bound, stop);
    if (socket || stop.stop_requested()) co_return std::move(socket);
    if (!first) first = std::move(socket.error());
    if (deadline.passed(loop.now())) break;
  }
  co_return std::move(*first);
}

Task<Result<void>> connect_through(tcp::socket& socket, std::string request, StopToken stop) {
  auto [write_error, written] = co_await async_op<ErrorCodeOf, std::size_t>(
      [&](auto handler) { boost::asio::async_write(socket, boost::asio::buffer(request), std::move(handler)); }, stop);
  wipe_memory(request.data(), request.size());
  if (stop.stop_requested()) co_return stop.error();
  if (write_error) co_return Error(ErrorCode::kUnavailable, "write: " + go_errno_text(write_error.value()));
  std::string received;
  char chunk[1024];
  for (;;) {
    auto [read_error, size] = co_await async_op<ErrorCodeOf, std::size_t>(
        [&](auto handler) { socket.async_read_some(boost::asio::buffer(chunk), std::move(handler)); }, stop);
    if (stop.stop_requested()) co_return stop.error();
    if (read_error) co_return Error(ErrorCode::kUnavailable, "reading server HTTP response: unexpected EOF");
    received.append(chunk, size);
    STEEPLE_CO_TRY(complete, read_proxy_response(received));
    if (complete) co_return Result<void>();
  }
}

}  // namespace

void set_tcp_options(tcp::socket& socket) {
  // Go's defaults: no delay; a dead peer is found after 15 s + 9 * 15 s without an answer. Best effort.
  constexpr int kOn = 1;
  constexpr int kSeconds = 15;
  constexpr int kProbes = 9;
  int fd = socket.native_handle();
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof kOn);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &kOn, sizeof kOn);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &kSeconds, sizeof kSeconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &kSeconds, sizeof kSeconds);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof kProbes);
}

Task<Result<tcp::socket>> dial_tcp(Loop& loop, std::string host, std::uint16_t port, std::optional<Proxy> proxy,
                                   Deadline deadline, StopToken stop) {
  if (!proxy) co_return co_await dial_any(loop, std::move(host), port, deadline, stop);
  STEEPLE_CO_TRY(socket, co_await dial_any(loop, proxy->host, proxy->port, deadline, stop));
  Timeout timeout(loop, deadline, stop);
  Result<void> connected =
      co_await connect_through(socket, format_proxy_connect(*proxy, join_host_port(host, port)), timeout.token());
  if (!connected)
    co_return std::move(connected.error()).with_context("proxy " + join_host_port(proxy->host, proxy->port));
  co_return std::move(socket);
}

}  // namespace steeple::runtime
