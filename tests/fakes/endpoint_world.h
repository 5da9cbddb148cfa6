// A method table on a real Unix socket in /tmp, on one of the two engines, and a client channel to it.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/endpoints/endpoints.h"
#include "runtime/core/assert.h"
#include "runtime/engine/unix_transport.h"
#include "runtime/grpc/channel.h"
#include "runtime/task/blocking.h"

namespace steeple::tests {

// The backends that this machine has.
inline std::vector<runtime::Backend> available_backends() {
  std::vector<runtime::Backend> backends{runtime::Backend::kEpoll};
  auto chosen = runtime::choose_backend(runtime::BackendPolicy::kAuto);
  if (chosen && chosen->backend == runtime::Backend::kIoUring) backends.push_back(runtime::Backend::kIoUring);
  return backends;
}

class EndpointWorld {
 public:
  EndpointWorld(runtime::Loop& loop, runtime::Backend backend, const runtime::grpc::ServiceTable& table,
                const runtime::Logger& log)
      : loop_(loop) {
    STEEPLE_ASSERT(::mkdtemp(folder_) != nullptr);
    engine_ = std::move(*agent::SocketEngine::create(loop, backend));
    agent::Endpoint::Options options;
    options.socket_path = path();
    endpoint_ = std::move(*agent::Endpoint::start(loop, *engine_, table, std::move(options), log));
    runtime::grpc::ChannelOptions channel_options;
    channel_options.authority = "localhost";
    channel_ = std::make_unique<runtime::grpc::Channel>(loop, std::make_unique<runtime::UnixConnector>(loop, path()),
                                                        channel_options);
  }
  ~EndpointWorld() {
    runtime::run_until_done(loop_, channel_->close(runtime::StopReason::kShutdown));
    if (endpoint_) stop();
    ::rmdir(folder_);
  }
  EndpointWorld(const EndpointWorld&) = delete;
  EndpointWorld& operator=(const EndpointWorld&) = delete;

  void stop() {
    runtime::run_until_done(loop_, endpoint_->stop());
    endpoint_.reset();
  }
  void forget_endpoint() { endpoint_.reset(); }  // stopped by the test itself
  std::string path() const { return std::string(folder_) + "/api.sock"; }
  agent::Endpoint& endpoint() { return *endpoint_; }
  agent::SocketEngine& engine() { return *engine_; }
  runtime::grpc::Channel& channel() { return *channel_; }

 private:
  runtime::Loop& loop_;
  char folder_[32] = "/tmp/steeple-endpoint-XXXXXX";
  std::unique_ptr<agent::SocketEngine> engine_;
  std::unique_ptr<agent::Endpoint> endpoint_;
  std::unique_ptr<runtime::grpc::Channel> channel_;
};

}  // namespace steeple::tests
