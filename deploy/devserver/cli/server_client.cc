#include "deploy/devserver/cli/server_client.h"

#include <fmt/format.h>

#include "runtime/engine/unix_transport.h"
#include "runtime/grpc/channel.h"
#include "runtime/task/blocking.h"

namespace steeple::devserver {
namespace {

using runtime::Bytes;
using runtime::Error;
using runtime::Result;
using runtime::Task;
using runtime::grpc::Channel;
using runtime::grpc::Status;

constexpr std::chrono::minutes kCallTimeout{2};

Task<Result<Bytes>> call_once(Channel& channel, std::string method, Bytes request) {
  runtime::grpc::CallOptions options(runtime::Deadline::in(kCallTimeout), {});
  auto answer = co_await channel.unary(std::move(method), std::move(request), options);
  std::optional<Error> unreachable = channel.last_connect_error();
  co_await channel.close(runtime::StopReason::kShutdown);
  if (answer) co_return std::move(*answer);
  if (unreachable) {
    Status status(
        runtime::grpc::StatusCode::kUnavailable,
        fmt::format("connection error: desc = \"transport: Error while dialing: {}\"", unreachable->message()));
    co_return runtime::grpc::to_error(status);
  }
  co_return runtime::grpc::to_error(answer.error());
}

}  // namespace

Result<Bytes> call_server(const std::string& socket, std::string_view method, Bytes request) {
  runtime::Loop loop;
  runtime::grpc::ChannelOptions options;
  options.authority = "localhost";
  Channel channel(loop, std::make_unique<runtime::UnixConnector>(loop, socket), options);
  return runtime::run_until_done(loop, call_once(channel, std::string(method), std::move(request)));
}

}  // namespace steeple::devserver
