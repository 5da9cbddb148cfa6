#include "runtime/grpc/channel.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"
#include "runtime/grpc/client_connection.h"

namespace steeple::runtime::grpc {
namespace {

constexpr std::string_view kClosing = "grpc: the client connection is closing";

Status connect_failure(const Error& error) {
  // A connector says itself when the handshake has failed.
  const bool handshake = error.message().starts_with("authentication handshake failed");
  std::string desc = (handshake ? "transport: " : "transport: Error while dialing: ") + error.message();
  if (error.message().starts_with("error reading server preface")) desc = error.message();
  return Status(StatusCode::kUnavailable, "connection error: desc = " + go_quote(desc));
}

Status gave_up_waiting(const Error& error) {
  bool deadline = error.code() == ErrorCode::kDeadline;
  return Status(deadline ? StatusCode::kDeadlineExceeded : StatusCode::kCancelled,
                fmt::format("{} while waiting for connections to become ready",
                            deadline ? "context deadline exceeded" : "context canceled"));
}

}  // namespace

class Channel::Impl {
 public:
  Impl(Loop& channel_loop, std::unique_ptr<Connector> channel_connector, ChannelOptions channel_options)
      : loop(channel_loop),
        connector(std::move(channel_connector)),
        options(std::move(channel_options)),
        attempt_ended(channel_loop),
        tasks(channel_loop) {}

  Task<Result<std::shared_ptr<ClientConnection>, Status>> acquire(Deadline deadline, StopToken stop);
  Task<void> connect_once();
  Task<Result<std::shared_ptr<ClientConnection>>> make_connection();

  Loop& loop;
  std::unique_ptr<Connector> connector;
  ChannelOptions options;
  std::shared_ptr<ClientConnection> current;
  std::vector<std::weak_ptr<ClientConnection>> all;
  std::optional<Error> last_error;
  Signal attempt_ended;
  TaskGroup tasks;
  std::uint64_t attempts_begun = 0;
  std::uint64_t attempts_ended = 0;
  bool closed = false;
};

// One attempt at a time serves all who wait for it, and each of them fails with it.
Task<Result<std::shared_ptr<ClientConnection>, Status>> Channel::Impl::acquire(Deadline deadline, StopToken stop) {
  std::uint64_t attempt = 0;
  for (;;) {
    if (closed) co_return Status(StatusCode::kCancelled, std::string(kClosing));
    if (current && current->usable()) co_return current;
    if (attempt != 0 && attempts_ended >= attempt && last_error) co_return connect_failure(*last_error);
    if (attempts_begun == attempts_ended) {
      ++attempts_begun;
      tasks.spawn(connect_once());
    }
    attempt = attempts_begun;
    if (attempts_ended >= attempt) continue;  // it ended at once
    Result<void> waited = co_await attempt_ended.wait(deadline, stop);
    if (!waited && attempts_ended < attempt) co_return gave_up_waiting(waited.error());
  }
}

Task<void> Channel::Impl::connect_once() {
  Result<std::shared_ptr<ClientConnection>> made = co_await make_connection();
  if (made) {
    current = std::move(*made);
    last_error.reset();
  } else {
    last_error = made.error();
  }
  ++attempts_ended;
  attempt_ended.notify();
}

Task<Result<std::shared_ptr<ClientConnection>>> Channel::Impl::make_connection() {
  Deadline deadline = Deadline::in(options.connect_timeout);
  STEEPLE_CO_TRY(transport, co_await connector->connect(deadline, tasks.token()));
  auto connection = std::make_shared<ClientConnection>(loop, std::move(transport), options);
  std::erase_if(all, [](const std::weak_ptr<ClientConnection>& one) { return one.expired(); });
  all.push_back(connection);
  if (!tasks.spawn(ClientConnection::run(connection))) co_return Error(ErrorCode::kCancelled, std::string(kClosing));
  Result<void> ready = co_await connection->ready(deadline, tasks.token());
  if (ready) co_return connection;
  connection->shut_down(Status(StatusCode::kUnavailable, ready.error().message()));
  bool silent = ready.error().code() == ErrorCode::kDeadline;
  co_return silent ? Error(ErrorCode::kUnavailable, "error reading server preface: timed out")
                   : std::move(ready.error());
}

Channel::Channel(Loop& loop, std::unique_ptr<Connector> connector, ChannelOptions options)
    : impl_(std::make_unique<Impl>(loop, std::move(connector), std::move(options))) {}

Channel::~Channel() = default;  // the task group asserts that close() came first

Task<Result<std::unique_ptr<ClientStream>, Status>> Channel::open_stream(std::string path, CallOptions options) {
  auto connection = co_await impl_->acquire(options.deadline, options.stop);
  if (!connection) co_return std::move(connection.error());
  std::unique_ptr<ClientStream> stream = std::make_unique<OutboundCall>(std::move(*connection), path, options);
  co_return std::move(stream);
}

Task<Result<Bytes, Status>> Channel::unary(std::string path, Bytes request, CallOptions options) {
  for (bool again = true;; again = false) {
    auto connection = co_await impl_->acquire(options.deadline, options.stop);
    if (!connection) co_return std::move(connection.error());
    OutboundCall call(std::move(*connection), path, options);
    Result<void, Status> sent = co_await call.send(request);
    call.half_close();
    Result<std::optional<Bytes>, Status> answer = co_await call.receive();
    if (!answer) {
      if (again && call.not_processed()) continue;  // refused or behind a GOAWAY: nothing has happened there
      co_return std::move(answer.error());
    }
    if (!*answer) {
      co_return Status(StatusCode::kInternal,
                       "cardinality violation: received no response message from non-server-streaming RPC");
    }
    Result<std::optional<Bytes>, Status> end = co_await call.receive();
    if (!end) co_return std::move(end.error());
    if (*end) {
      co_return Status(
          StatusCode::kInternal,
          "cardinality violation: expected <EOF> for non server-streaming RPCs, but received another message");
    }
    co_return std::move(**answer);
  }
}

const std::optional<Error>& Channel::last_connect_error() const { return impl_->last_error; }

Task<void> Channel::close(StopReason reason) {
  impl_->closed = true;
  for (const std::weak_ptr<ClientConnection>& one : impl_->all) {
    if (auto connection = one.lock()) connection->shut_down(Status(StatusCode::kCancelled, std::string(kClosing)));
  }
  impl_->tasks.close(reason);
  impl_->attempt_ended.notify();
  co_await impl_->tasks.join();
  impl_->current.reset();
}

}  // namespace steeple::runtime::grpc
