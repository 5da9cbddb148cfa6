#include "runtime/engine/unix_transport.h"

#include <sys/un.h>

#include "engine_test.h"
#include "runtime/os/unix_socket.h"

namespace steeple::runtime {

namespace {

Task<void> echo_scenario(Loop& loop) {
  auto [a, b] = socket_pair();
  std::unique_ptr<Transport> left = make_unix_transport(loop, std::move(a));
  std::unique_ptr<Transport> right = make_unix_transport(loop, std::move(b));
  TaskGroup group(loop);
  group.spawn(echo_until_end(*right));
  const Bytes sent = pattern(300'000);
  Bytes back;
  group.spawn(send_all(*left, &sent));
  co_await collect(*left, &back, sent.size());
  CHECK((back == sent));
  CHECK(left->peer_certificates().empty());
  co_await left->close();
  co_await group.join();
  co_await right->close();
}

Task<void> cancel_scenario(Loop& loop) {
  auto [a, b] = socket_pair();
  std::unique_ptr<Transport> transport = make_unix_transport(loop, std::move(a));
  std::optional<Result<std::string>> received;
  TaskGroup group(loop);
  group.spawn(keep_receive(*transport, &received));
  transport->cancel(StopReason::kCallerCancelled);
  co_await group.join();
  CHECK((received && !*received && received->error() == Error(ErrorCode::kCancelled, "cancelled by the caller")));
  Result<void> later = co_await transport->send(pattern(1));
  CHECK_FALSE(later);
  CHECK_FALSE(transport->try_send(pattern(1)).has_value());
  co_await transport->close();
}

Task<void> closed_scenario(Loop& loop) {
  auto [a, b] = socket_pair();
  std::unique_ptr<Transport> transport = make_unix_transport(loop, std::move(a));
  Result<std::size_t> taken = transport->try_send(pattern(10));
  CHECK((taken && *taken == 10));
  Bytes read(10);
  CHECK(::recv(b.get(), read.data(), read.size(), 0) == 10);
  b.reset();
  Result<ReceivedBytes> end = co_await transport->receive();
  CHECK((end && end->end_of_stream()));
  Result<void> sent = co_await transport->send(pattern(1));
  CHECK((!sent && sent.error().code() == ErrorCode::kClosed));
  co_await transport->close();
}

Task<std::string> connect_failure(Loop& loop, std::string path, Deadline deadline) {
  UnixConnector connector(loop, path);
  auto connected = co_await connector.connect(deadline, StopToken());
  co_return connected ? "connected" : connected.error().message();
}

}  // namespace

TEST_CASE("UnixTransport carries bytes both ways") {
  Loop loop;
  run_until_done(loop, echo_scenario(loop));
}

TEST_CASE("UnixTransport ends its calls when cancelled") {
  Loop loop;
  run_until_done(loop, cancel_scenario(loop));
}

TEST_CASE("UnixTransport tells the end of the stream and a closed peer") {
  Loop loop;
  run_until_done(loop, closed_scenario(loop));
}

TEST_CASE("UnixConnector says why it cannot connect") {
  Loop loop;
  TemporaryDirectory directory;
  const std::string path = directory.file("s");
  const Deadline soon = Deadline::in(std::chrono::seconds(5));
  CHECK(run_until_done(loop, connect_failure(loop, path, soon)) ==
        "dial unix " + path + ": connect: no such file or directory");
  Result<UnixListener> listener = UnixListener::bind(path, 0777);
  REQUIRE(listener);
  CHECK(run_until_done(loop, connect_failure(loop, path, soon)) == "connected");
}

TEST_CASE("UnixConnector tries a full backlog again until its deadline") {
  Loop loop;
  TemporaryDirectory directory;
  const std::string path = directory.file("s");
  Result<UnixListener> listener = UnixListener::bind(path, 0777);
  REQUIRE(listener);
  REQUIRE(::listen(listener->fd(), 0) == 0);
  std::vector<FileDescriptor> waiting;
  for (;;) {
    Result<FileDescriptor> socket = connect_unix(path);
    if (!socket) {
      CHECK(socket.error().code() == ErrorCode::kLimit);
      break;
    }
    waiting.push_back(std::move(*socket));
  }
  CHECK(run_until_done(loop, connect_failure(loop, path, Deadline::in(std::chrono::milliseconds(5)))) ==
        "dial unix " + path + ": connect: resource temporarily unavailable");
}

}  // namespace steeple::runtime
