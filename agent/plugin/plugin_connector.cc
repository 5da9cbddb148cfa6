#include "agent/plugin/plugin_connector.h"

#include <fmt/format.h>

#include <boost/asio/ip/tcp.hpp>
#include <charconv>

#include "runtime/engine/unix_transport.h"
#include "runtime/http1/tcp_transport.h"
#include "runtime/os/file.h"
#include "runtime/task/async_op.h"
#include "runtime/task/timeout.h"

namespace steeple::agent {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;
using runtime::Transport;

namespace {

using boost::asio::ip::tcp;

Result<tcp::endpoint> to_endpoint(const std::string& address) {
  const Error wrong(ErrorCode::kInvalidArgument, fmt::format("dial tcp: address {}: not IP:PORT", address));
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return wrong;
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty() || host == "localhost") host = "127.0.0.1";
  std::uint16_t port = 0;
  const char* end = address.data() + address.size();
  if (std::from_chars(address.data() + colon + 1, end, port).ptr != end) return wrong;
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(host, error);
  if (error) return wrong;
  return tcp::endpoint(ip, port);
}

Task<Result<std::unique_ptr<Transport>>> dial_tcp(runtime::Loop& loop, std::string address, Deadline deadline,
                                                  StopToken stop) {
  STEEPLE_CO_TRY(endpoint, to_endpoint(address));
  tcp::socket socket(loop.io());
  runtime::Timeout timeout(loop, deadline, stop);
  auto [error] = co_await runtime::async_op<boost::system::error_code>(
      [&](auto handler) { socket.async_connect(endpoint, std::move(handler)); }, timeout.token());
  if (timeout.token().stop_requested()) co_return timeout.token().error();
  if (error) co_return runtime::path_error("dial tcp", address + ": connect", error.value());
  co_return std::unique_ptr<Transport>(std::make_unique<runtime::TcpTransport>(std::move(socket)));
}

class PluginConnector final : public runtime::Connector {
 public:
  PluginConnector(runtime::Loop& loop, PluginAddress address, std::function<bool()> running)
      : loop_(loop), address_(std::move(address)), running_(std::move(running)), unix_(loop, address_.address) {}

  Task<Result<std::unique_ptr<Transport>>> connect(Deadline deadline, StopToken stop) override {
    if (!running_()) co_return gone();
    auto transport = address_.network == "unix" ? co_await unix_.connect(deadline, stop)
                                                : co_await dial_tcp(loop_, address_.address, deadline, stop);
    if (!transport || running_()) co_return transport;
    co_await (*transport)->close();
    co_return gone();
  }

 private:
  static Error gone() { return Error(ErrorCode::kUnavailable, "the plugin's process has exited"); }

  runtime::Loop& loop_;
  PluginAddress address_;
  std::function<bool()> running_;
  runtime::UnixConnector unix_;
};

}  // namespace

std::unique_ptr<runtime::Connector> make_plugin_connector(runtime::Loop& loop, PluginAddress address,
                                                          std::function<bool()> running) {
  return std::make_unique<PluginConnector>(loop, std::move(address), std::move(running));
}

}  // namespace steeple::agent
