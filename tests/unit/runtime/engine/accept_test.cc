#include <fcntl.h>
#include <unistd.h>

#include <chrono>

#include "engine_test.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/unix_transport.h"
#include "runtime/os/unix_socket.h"

namespace steeple::runtime {

#define FOR_BOTH_ENGINES(name) TEMPLATE_TEST_CASE(name, "[engine]", UringEngine, EpollEngine)

namespace {

void never_refused(const Error& error) { FAIL_CHECK(error.message()); }

UnixListener listen_at(const std::string& path) {
  Result<UnixListener> listener = UnixListener::bind(path, 0777);
  REQUIRE(listener);
  return std::move(*listener);
}

template <class C>
Task<void> serve_one(std::unique_ptr<C> connection, TaskGroup* group) {
  StopCallback on_stop(group->token(), [&](StopReason reason) { connection->cancel(reason); });
  co_await echo_until_end(*connection);
  co_await connection->close();
}

template <class E>
Task<void> serve_all(Acceptor<E>& acceptor, TaskGroup* connections, std::size_t* accepted_count, StopToken stop) {
  for (;;) {
    auto accepted = co_await acceptor.accept(stop);
    if (!accepted) {
      CHECK(accepted.error().code() == ErrorCode::kCancelled);
      break;
    }
    CHECK(accepted->peer.credentials().pid == ::getpid());
    CHECK(accepted->peer.credentials().uid == ::getuid());
    ++*accepted_count;
    connections->spawn(serve_one(std::move(accepted->connection), connections));
  }
}

// Thousands of connections, each used once; then everything is cancelled at once and joined.
template <class E>
Task<void> crowd_scenario(Loop& loop, E& engine, const UnixListener& listener, std::size_t count) {
  TaskGroup accepting(loop), connections(loop);
  Acceptor<E> acceptor(engine, listener.fd(), never_refused);
  std::size_t accepted = 0;
  accepting.spawn(serve_all(acceptor, &connections, &accepted, accepting.token()));

  std::vector<std::unique_ptr<Transport>> clients;
  UnixConnector connector(loop, listener.path());
  for (std::size_t i = 0; i < count; ++i) {
    auto client = co_await connector.connect(Deadline::in(std::chrono::seconds(10)), StopToken());
    CHECK(client);
    if (!client) break;
    clients.push_back(std::move(*client));
  }
  const Bytes hello = pattern(200);
  for (auto& client : clients) {
    Result<void> sent = co_await client->send(hello);
    CHECK(sent);
  }
  for (auto& client : clients) {
    Bytes back;
    co_await collect(*client, &back, hello.size());
    CHECK((back == hello));
  }
  CHECK(accepted == count);
  CHECK(connections.size() == count);

  const auto before = std::chrono::steady_clock::now();
  accepting.close(StopReason::kShutdown);
  connections.close(StopReason::kShutdown);
  co_await accepting.join();
  co_await connections.join();
  co_await acceptor.close();
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(1));
  for (auto& client : clients) co_await client->close();
}

template <class E>
Task<void> stop_scenario(Loop& loop, E& engine, const UnixListener& listener) {
  for (int round = 0; round < 2; ++round) {  // the listening socket outlives its acceptor
    Acceptor<E> acceptor(engine, listener.fd(), never_refused);
    TaskGroup group(loop);
    std::size_t accepted = 0;
    TaskGroup connections(loop);
    group.spawn(serve_all(acceptor, &connections, &accepted, group.token()));
    CHECK(group.size() == 1);
    group.close(StopReason::kShutdown);
    co_await group.join();
    auto refused = co_await acceptor.accept(group.token());
    CHECK((!refused && refused.error().code() == ErrorCode::kCancelled));
    co_await acceptor.close();
    CHECK(accepted == 0);
  }
}

template <class E>
Task<void> shortage_scenario(Loop& loop, E& engine, const UnixListener& listener) {
  Result<FileDescriptor> client = connect_unix(listener.path());
  CHECK(client);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  FileDescriptor next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(next.get());  // no number below it is free
  next.reset();
  std::size_t reports = 0;
  Acceptor<E> acceptor(engine, listener.fd(), [&](const Error& error) {
    CHECK(is_shortage(error));
    ++reports;
    ::setrlimit(RLIMIT_NOFILE, &before);
  });
  ::setrlimit(RLIMIT_NOFILE, &none);
  TaskGroup group(loop);
  auto accepted = co_await acceptor.accept(group.token());
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(accepted);
  CHECK(reports == 1);
  if (accepted) co_await accepted->connection->close();
  co_await acceptor.close();
}

// Each accepted connection brings the next one, as clients do that call without pause.
template <class E>
Task<void> accept_chain(Acceptor<E>& acceptor, std::string path, std::size_t* left, StopToken stop) {
  std::vector<FileDescriptor> clients;
  for (;;) {
    auto accepted = co_await acceptor.accept(stop);
    if (!accepted) break;
    co_await accepted->connection->close();
    if (--*left == 0) break;
    Result<FileDescriptor> client = connect_unix(path);
    if (client) clients.push_back(std::move(*client));
  }
}

struct NextTurn {
  Loop& loop;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) { loop.resume_soon(waiter); }
  void await_resume() const noexcept {}
};

// Beside connections with so many events that one turn takes several batches of them.
template <class E>
Task<void> turns_scenario(Loop& loop, E& engine, const UnixListener& listener, std::size_t* most_in_a_turn) {
  TaskGroup group(loop);
  std::vector<FileDescriptor> peers;
  for (std::size_t i = 0; i < 600; ++i) {
    auto [ours, theirs] = socket_pair();
    group.spawn(serve_one(engine.adopt(std::move(ours)), &group));
    peers.push_back(std::move(theirs));
  }
  Acceptor<E> acceptor(engine, listener.fd(), never_refused);
  std::size_t left = 400;
  group.spawn(accept_chain(acceptor, listener.path(), &left, group.token()));
  std::vector<FileDescriptor> first;
  for (int i = 0; i < 100; ++i) {
    Result<FileDescriptor> client = connect_unix(listener.path());
    CHECK(client);
    if (client) first.push_back(std::move(*client));
  }
  for (FileDescriptor& peer : peers) CHECK(::write(peer.get(), "x", 1) == 1);
  for (std::size_t before = left; before != 0; before = left) {
    NextTurn turn{loop};
    co_await turn;
    *most_in_a_turn = std::max(*most_in_a_turn, before - left);
  }
  group.close(StopReason::kShutdown);
  co_await group.join();
  co_await acceptor.close();
}

// An engine whose listener gives what the test says.
class ScriptedEngine {
 public:
  using Connection = EpollConnection;
  class Incoming {
   public:
    Incoming(ScriptedEngine& engine, int) : engine_(engine) {}
    Task<Result<FileDescriptor>> next(StopToken) {
      if (engine_.script.empty()) co_return Error(ErrorCode::kSystem, "accept: the end");
      FileDescriptor next = std::move(engine_.script.front());
      engine_.script.erase(engine_.script.begin());
      co_return next;
    }
    Task<void> close() { co_return; }

   private:
    ScriptedEngine& engine_;
  };
  ScriptedEngine(Loop& loop, EpollEngine& real) : loop_(loop), real_(real) {}
  std::unique_ptr<Connection> adopt(FileDescriptor socket) { return real_.adopt(std::move(socket)); }
  Loop& loop() { return loop_; }
  std::vector<FileDescriptor> script;

 private:
  Loop& loop_;
  EpollEngine& real_;
};

Task<void> refused_scenario(ScriptedEngine& engine) {
  std::vector<std::string> refusals;
  Acceptor<ScriptedEngine> acceptor(engine, -1, [&](const Error& error) { refusals.push_back(error.message()); });
  engine.script.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));  // has no peer
  auto [ours, theirs] = socket_pair();
  engine.script.push_back(std::move(ours));
  auto accepted = co_await acceptor.accept(StopToken());
  CHECK(accepted);
  CHECK(refusals == std::vector<std::string>{"could not resolve caller information: Socket operation on non-socket"});
  if (accepted) co_await accepted->connection->close();
  auto broken = co_await acceptor.accept(StopToken());
  CHECK((!broken && broken.error().message() == "accept: the end"));
  co_await acceptor.close();
}

}  // namespace

FOR_BOTH_ENGINES("Acceptor serves thousands of connections and ends them all within a second") {
  const std::size_t count = connections_possible(2000);
  TemporaryDirectory directory;
  UnixListener listener = listen_at(directory.file("api.sock"));
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (!engine) return;
  run_until_done(loop, crowd_scenario(loop, *engine, listener, count));
  CHECK(engine->users() == 0);
}

FOR_BOTH_ENGINES("Acceptor stops, joins, and leaves the listening socket usable") {
  TemporaryDirectory directory;
  UnixListener listener = listen_at(directory.file("api.sock"));
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, stop_scenario(loop, *engine, listener));
}

FOR_BOTH_ENGINES("Acceptor waits out a shortage of descriptors and reports it once") {
  TemporaryDirectory directory;
  UnixListener listener = listen_at(directory.file("api.sock"));
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, shortage_scenario(loop, *engine, listener));
}

// Else what was accepted and closed by its client piles up: closing takes turns, too.
FOR_BOTH_ENGINES("Few connections are accepted in a turn, however many events there are") {
  TemporaryDirectory directory;
  UnixListener listener = listen_at(directory.file("api.sock"));
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (!engine) return;
  std::size_t most = 0;
  run_until_done(loop, turns_scenario(loop, *engine, listener, &most));
  CHECK(most > 0);
  CHECK(most <= 3 * TestType::Incoming::kAcceptsPerTurn);  // those left over from the turn before, and its own
}

TEST_CASE("Acceptor hangs up on a peer it cannot identify and goes on") {
  Loop loop;
  auto real = make_engine<EpollEngine>(loop);
  ScriptedEngine engine(loop, *real);
  run_until_done(loop, refused_scenario(engine));
}

}  // namespace steeple::runtime
