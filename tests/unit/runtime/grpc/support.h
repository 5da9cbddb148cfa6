// A gRPC server with a test service, and channels to it over memory streams.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/grpc/channel.h"
#include "runtime/grpc/server.h"
#include "runtime/task/blocking.h"
#include "runtime/task/signal.h"
#include "runtime/task/timeout.h"
#include "tests/fakes/memory_stream.h"
#include "tests/fakes/raw_http2_client.h"

namespace steeple::runtime::grpc::test {

using namespace steeple::runtime::fakes;

// Methods of one service, "/test.Echo/...": what each does is in support.cc.
struct EchoService {
  explicit EchoService(Loop& loop) : release(loop) {}
  std::size_t started = 0;
  std::size_t ended = 0;
  StopReason last_stop = StopReason::kNone;
  std::string last_metadata;
  Signal release;      // lets a Hold call answer
  SharedBytes pushed;  // what Watch sends whenever `version` grows
  std::vector<Signal*> watchers;
  Status hold_status;
};

struct PipeOptions {
  std::size_t capacity = 1 << 20;
  std::size_t chunk = 1 << 16;
};

// Owns everything; stop() within the task that uses it, or let the destructor do it.
class World {
 public:
  explicit World(ServerOptions options = {}, PipeOptions pipe = {});
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // A raw connection to the server: the test plays the client.
  std::unique_ptr<Transport> connect_raw();
  Channel& channel() { return *channel_; }
  std::unique_ptr<Channel> make_channel(ChannelOptions options = {});
  void run(Task<void> task);  // runs the loop until the task ends
  Task<void> stop_server(Status status = Status(StatusCode::kUnavailable, "bye"));

  Loop loop;
  EchoService service;
  ServiceTable table;
  PipeOptions pipe;
  std::unique_ptr<Server> server;
  bool refuse_connections = false;
  std::size_t connects = 0;

 private:
  std::unique_ptr<TaskGroup> connections_;
  std::unique_ptr<Channel> channel_;
  bool stopped_ = false;
};

CallOptions call_options(std::chrono::nanoseconds timeout = std::chrono::seconds(20));
Task<void> turns(Loop& loop, int count = 20);  // lets everything that is ready happen

}  // namespace steeple::runtime::grpc::test
