// The part of a gRPC channel that the server client needs, as an interface, so that tests answer calls without a
// connection. The real one wraps runtime::grpc::Channel and counts its connections. I/O thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "runtime/grpc/channel.h"

namespace steeple::agent {

class RpcChannel {
 public:
  virtual ~RpcChannel() = default;  // after close()
  virtual runtime::Task<runtime::Result<runtime::Bytes, runtime::grpc::Status>> unary(
      std::string path, runtime::Bytes request, runtime::grpc::CallOptions options) = 0;
  virtual runtime::Task<runtime::Result<std::unique_ptr<runtime::grpc::ClientStream>, runtime::grpc::Status>>
  open_stream(std::string path, runtime::grpc::CallOptions options) = 0;
  virtual const runtime::Error* last_connect_error() const = 0;  // null: none
  virtual std::uint64_t connections_made() const = 0;
  virtual runtime::Task<void> close(runtime::StopReason reason) = 0;
};

using RpcChannelFactory = std::function<std::unique_ptr<RpcChannel>()>;

std::unique_ptr<RpcChannel> make_rpc_channel(runtime::Loop& loop, std::unique_ptr<runtime::Connector> connector,
                                             runtime::grpc::ChannelOptions options);

}  // namespace steeple::agent
