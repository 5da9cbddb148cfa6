#include "tests/unit/runtime/grpc/support.h"

#include <catch2/catch.hpp>

namespace steeple::runtime::grpc::test {
namespace {

EchoService& service_of(void* service) { return *static_cast<EchoService*>(service); }

Task<Status> end_with(EchoService& service, ServerCall& call, Status status) {
  ++service.ended;
  service.last_stop = call.stop().reason();
  co_return status;
}

Task<Status> unary(void* self, ServerCall& call) {
  ++service_of(self).started;
  for (std::string_view value : call.metadata().all("x-test")) service_of(self).last_metadata = value;
  Result<void> sent = co_await call.send(make_message(call.request()));
  co_return co_await end_with(service_of(self), call, sent ? Status::ok() : to_status(sent.error()));
}

Task<Status> fail(void* self, ServerCall& call) {
  ++service_of(self).started;
  co_return co_await end_with(service_of(self), call,
                              Status(StatusCode::kPermissionDenied, to_text(call.request()), "\x08\x07"));
}

Task<Status> silent(void*, ServerCall&) { co_return Status::ok(); }

// Answers when `release` is notified.
Task<Status> hold(void* self, ServerCall& call) {
  EchoService& service = service_of(self);
  ++service.started;
  Result<void> released = co_await service.release.wait(Deadline::never(), call.stop());
  if (released) (void)co_await call.send(make_message(call.request()));
  co_return co_await end_with(service, call, released ? service.hold_status : to_status(released.error()));
}

// One message at once, and `pushed` after each notification.
Task<Status> watch(void* self, ServerCall& call) {
  EchoService& service = service_of(self);
  ++service.started;
  Signal changed(service.release.loop());
  service.watchers.push_back(&changed);
  Result<void> good = co_await call.send(make_message(call.request()));
  while (good) {
    good = co_await changed.wait(Deadline::never(), call.stop());
    if (good) good = co_await call.send(service.pushed);
  }
  std::erase(service.watchers, &changed);
  co_return co_await end_with(service, call, to_status(good.error()));
}

// As many messages of as many bytes as the request says: two bytes "count", four bytes "size".
Task<Status> flood(void* self, ServerCall& call) {
  ++service_of(self).started;
  unsigned count = 0;
  unsigned size = 0;
  std::sscanf(to_text(call.request()).c_str(), "%u %u", &count, &size);
  SharedBytes message = make_message(Bytes(size, 'f'));
  Result<void> sent;
  for (unsigned i = 0; i < count && sent; ++i) sent = co_await call.send(message);
  co_return co_await end_with(service_of(self), call, sent ? Status::ok() : to_status(sent.error()));
}

Task<Status> both_ways(void* self, ServerCall& call) {
  ++service_of(self).started;
  Result<void> good;
  for (;;) {
    Result<std::optional<Bytes>> message = co_await call.receive();
    if (!message) good = message.error();
    if (!message || !*message) break;
    good = co_await call.send(make_message(**message));
    if (!good) break;
  }
  co_return co_await end_with(service_of(self), call, good ? Status::ok() : to_status(good.error()));
}

Task<Status> hang_up(void* self, ServerCall& call) {
  call.close_connection_after();
  co_return co_await end_with(service_of(self), call, Status(StatusCode::kUnavailable, "who are you"));
}

Status admit(void*, const ServerCall& call) {
  if (call.metadata().all("x-ticket").size() == 1) return Status::ok();
  return Status(StatusCode::kInvalidArgument, "no ticket");
}

class MemoryConnector final : public Connector {
 public:
  explicit MemoryConnector(World& world) : world_(world) {}
  Task<Result<std::unique_ptr<Transport>>> connect(Deadline, StopToken) override {
    ++world_.connects;
    if (world_.refuse_connections)
      co_return Error(ErrorCode::kSystem, "dial unix /x.sock: connect: no such file or directory");
    co_return world_.connect_raw();
  }

 private:
  World& world_;
};

Task<void> serve_owned(Server* server, std::unique_ptr<Transport> transport) {
  static const Peer kNobody;
  co_await server->serve(*transport, &kNobody);
}

Task<void> with_limit(Task<void> task, Timeout* limit) {
  co_await std::move(task);
  REQUIRE_FALSE(limit->token().stop_requested());
}

}  // namespace

World::World(ServerOptions options, PipeOptions pipe_options) : service(loop), pipe(pipe_options) {
  table.add(&service, {{"/test.Echo/Unary", MethodKind::kUnary, unary},
                       {"/test.Echo/Fail", MethodKind::kUnary, fail},
                       {"/test.Echo/Silent", MethodKind::kUnary, silent},
                       {"/test.Echo/Hold", MethodKind::kUnary, hold},
                       {"/test.Echo/Watch", MethodKind::kServerStream, watch},
                       {"/test.Echo/Flood", MethodKind::kServerStream, flood},
                       {"/test.Echo/Ticket", MethodKind::kServerStream, watch, admit},
                       {"/test.Echo/HangUp", MethodKind::kUnary, hang_up},
                       {"/test.Echo/BothWays", MethodKind::kBidirectional, both_ways}});
  server = std::make_unique<Server>(loop, table, options, Logger());
  connections_ = std::make_unique<TaskGroup>(loop);
  channel_ = make_channel();
}

std::unique_ptr<Channel> World::make_channel(ChannelOptions options) {
  if (options.authority.empty()) options.authority = "localhost";
  return std::make_unique<Channel>(loop, std::make_unique<MemoryConnector>(*this), options);
}

std::unique_ptr<Transport> World::connect_raw() {
  auto [client, accepted] = fakes::make_memory_streams(loop, pipe.capacity, pipe.chunk);
  connections_->spawn(serve_owned(server.get(), std::move(accepted)));
  return std::move(client);
}

Task<void> World::stop_server(Status status) {
  stopped_ = true;
  co_await server->stop(std::move(status), std::chrono::milliseconds(500));
}

void World::run(Task<void> task) {
  Timeout limit(loop, Deadline::in(std::chrono::seconds(60)), StopToken());
  run_until_done(loop, with_limit(std::move(task), &limit));
}

namespace {
Task<void> take_down(World* world, Channel* channel, bool stop_server, TaskGroup* connections) {
  co_await channel->close(StopReason::kShutdown);
  if (stop_server) co_await world->stop_server();
  connections->close(StopReason::kShutdown);
  co_await connections->join();
}
}  // namespace

World::~World() {
  run(take_down(this, channel_.get(), !stopped_, connections_.get()));
  CHECK(service.started == service.ended);
  CHECK(server->streams() == 0);
  CHECK(server->connections() == 0);
}

CallOptions call_options(std::chrono::nanoseconds timeout) { return CallOptions(Deadline::in(timeout), StopToken()); }

Task<void> turns(Loop& loop, int count) {
  Signal signal(loop);
  for (int i = 0; i < count; ++i) (void)co_await signal.wait(Deadline::in(std::chrono::microseconds(1)), StopToken());
}

}  // namespace steeple::runtime::grpc::test
