#include "agent/server/rpc_channel.h"

namespace steeple::agent {
namespace {

using runtime::Deadline;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;
using runtime::grpc::CallOptions;
using runtime::grpc::Status;

class CountingConnector final : public runtime::Connector {
 public:
  CountingConnector(std::unique_ptr<runtime::Connector> inner, std::uint64_t* made)
      : inner_(std::move(inner)), made_(made) {}
  Task<Result<std::unique_ptr<runtime::Transport>>> connect(Deadline deadline, StopToken stop) override {
    ++*made_;
    return inner_->connect(deadline, stop);
  }

 private:
  std::unique_ptr<runtime::Connector> inner_;
  std::uint64_t* made_;
};

class GrpcChannel final : public RpcChannel {
 public:
  GrpcChannel(runtime::Loop& loop, std::unique_ptr<runtime::Connector> connector, runtime::grpc::ChannelOptions options)
      : channel_(loop, std::make_unique<CountingConnector>(std::move(connector), &made_), std::move(options)) {}

  Task<Result<runtime::Bytes, Status>> unary(std::string path, runtime::Bytes request, CallOptions options) override {
    return channel_.unary(std::move(path), std::move(request), std::move(options));
  }
  Task<Result<std::unique_ptr<runtime::grpc::ClientStream>, Status>> open_stream(std::string path,
                                                                                 CallOptions options) override {
    return channel_.open_stream(std::move(path), std::move(options));
  }
  const runtime::Error* last_connect_error() const override {
    const std::optional<runtime::Error>& error = channel_.last_connect_error();
    return error ? &*error : nullptr;
  }
  std::uint64_t connections_made() const override { return made_; }
  Task<void> close(runtime::StopReason reason) override { return channel_.close(reason); }

 private:
  std::uint64_t made_ = 0;
  runtime::grpc::Channel channel_;
};

}  // namespace

std::unique_ptr<RpcChannel> make_rpc_channel(runtime::Loop& loop, std::unique_ptr<runtime::Connector> connector,
                                             runtime::grpc::ChannelOptions options) {
  return std::make_unique<GrpcChannel>(loop, std::move(connector), std::move(options));
}

}  // namespace steeple::agent
