// A channel to a server that is a few functions of the test: one answers unary calls, one the messages of a stream.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/server/rpc_channel.h"

namespace steeple::tests {

// What the server does; shared by all channels made to it.
class FakeRpcServer {
 public:
  using Answer = runtime::Result<runtime::Bytes, runtime::grpc::Status>;
  using StreamAnswer = runtime::Result<std::vector<runtime::Bytes>, runtime::grpc::Status>;
  std::function<Answer(const std::string& path, const runtime::Bytes& request)> unary;
  // Messages that follow one request; an error ends the stream.
  std::function<StreamAnswer(const std::string& path, const runtime::Bytes& request)> stream;
  std::optional<runtime::Error> connect_error;
  std::vector<std::string> calls;
  std::uint64_t connections = 1;
  int channels_made = 0;
  int channels_closed = 0;

  agent::RpcChannelFactory factory();
};

class FakeClientStream final : public runtime::grpc::ClientStream {
 public:
  FakeClientStream(FakeRpcServer& server, std::string path) : server_(server), path_(std::move(path)) {}
  runtime::Task<runtime::Result<void, runtime::grpc::Status>> send(runtime::BytesView message) override {
    auto answer = server_.stream(path_, runtime::to_bytes(message));
    if (!answer) {
      end_ = answer.error();
    } else {
      for (runtime::Bytes& one : *answer) pending_.push_back(std::move(one));
    }
    co_return runtime::Result<void, runtime::grpc::Status>();
  }
  void half_close() override {}
  runtime::Task<runtime::Result<std::optional<runtime::Bytes>, runtime::grpc::Status>> receive() override {
    if (pending_.empty()) {
      if (!end_.is_ok()) co_return end_;
      co_return std::optional<runtime::Bytes>();
    }
    runtime::Bytes message = std::move(pending_.front());
    pending_.pop_front();
    co_return std::optional<runtime::Bytes>(std::move(message));
  }

 private:
  FakeRpcServer& server_;
  std::string path_;
  std::deque<runtime::Bytes> pending_;
  runtime::grpc::Status end_;
};

class FakeRpcChannel final : public agent::RpcChannel {
 public:
  explicit FakeRpcChannel(FakeRpcServer& server) : server_(server) { ++server_.channels_made; }
  runtime::Task<FakeRpcServer::Answer> unary(std::string path, runtime::Bytes request,
                                             runtime::grpc::CallOptions) override {
    server_.calls.push_back(path);
    co_return server_.unary(path, request);
  }
  runtime::Task<runtime::Result<std::unique_ptr<runtime::grpc::ClientStream>, runtime::grpc::Status>> open_stream(
      std::string path, runtime::grpc::CallOptions) override {
    server_.calls.push_back(path);
    co_return std::unique_ptr<runtime::grpc::ClientStream>(std::make_unique<FakeClientStream>(server_, path));
  }
  const runtime::Error* last_connect_error() const override {
    return server_.connect_error ? &*server_.connect_error : nullptr;
  }
  std::uint64_t connections_made() const override { return server_.connections; }
  runtime::Task<void> close(runtime::StopReason) override {
    ++server_.channels_closed;
    co_return;
  }

 private:
  FakeRpcServer& server_;
};

inline agent::RpcChannelFactory FakeRpcServer::factory() {
  return [this] { return std::make_unique<FakeRpcChannel>(*this); };
}

}  // namespace steeple::tests
