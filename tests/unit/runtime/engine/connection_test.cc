#include "engine_test.h"
#include "runtime/loop/loop.h"
#include "runtime/task/signal.h"

namespace steeple::runtime {

#define FOR_BOTH_ENGINES(name) TEMPLATE_TEST_CASE(name, "[engine]", UringEngine, EpollEngine)

namespace {

// Lets every task that is ready run, and completions of the kernel arrive.
Task<void> pause_for(Loop& loop, std::chrono::milliseconds time) {
  Result<void> slept = co_await sleep_until(loop, Deadline::in(time), StopToken());
  CHECK(slept);
}

template <class E>
Task<void> echo_scenario(Loop& loop, E& engine) {
  ConnectedPair<E> pair(engine);
  TaskGroup group(loop);
  group.spawn(echo_until_end(*pair.right));
  for (std::size_t size : {1u, 200u, 2048u, 2049u, 16'384u, 70'000u}) {
    Bytes sent = pattern(size), back;
    Result<void> result = co_await pair.left->send(sent);
    CHECK(result);
    co_await collect(*pair.left, &back, size);
    CHECK(back == sent);
  }
  co_await pair.left->close();
  group.close(StopReason::kShutdown);
  co_await group.join();
  co_await pair.right->close();
}

template <class E>
Task<void> transfer_scenario(Loop& loop, E& engine) {
  constexpr std::size_t kSize = 4u << 20;
  ConnectedPair<E> pair(engine);
  const Bytes first = pattern(kSize), second = pattern(kSize + 1);
  Bytes at_right, at_left;
  TaskGroup group(loop);
  group.spawn(send_all(*pair.left, &first));
  group.spawn(send_all(*pair.right, &second));
  group.spawn(collect(*pair.left, &at_left, second.size()));
  group.spawn(collect(*pair.right, &at_right, first.size()));
  co_await group.join();
  CHECK((at_right == first));
  CHECK((at_left == second));
  co_await pair.close();
}

template <class E>
Task<void> slow_reader_scenario(Loop& loop, E& engine) {
  ConnectedPair<E> pair(engine);
  const Bytes block = pattern(64 << 10);
  std::size_t taken = 0;
  for (;;) {
    Result<std::size_t> sent = pair.left->try_send(block);
    CHECK(sent);
    if (!sent || *sent == 0) break;
    taken += *sent;
  }
  CHECK(taken > 0);
  std::optional<Result<void>> sent;
  TaskGroup group(loop);
  group.spawn(keep_send(*pair.left, &block, &sent));
  co_await pause_for(loop, std::chrono::milliseconds(5));
  CHECK_FALSE(sent.has_value());  // nobody reads
  Bytes read;
  co_await collect(*pair.right, &read, taken + block.size());
  co_await group.join();
  CHECK(read.size() == taken + block.size());
  CHECK((sent.has_value() && sent->has_value()));
  co_await pair.close();
}

template <class E>
Task<void> cancel_scenario(Loop& loop, E& engine) {
  ConnectedPair<E> pair(engine);
  const Bytes block = pattern(8u << 20);  // more than the socket holds
  std::optional<Result<std::string>> received;
  std::optional<Result<void>> sent;
  TaskGroup group(loop);
  group.spawn(keep_receive(*pair.left, &received));
  group.spawn(keep_send(*pair.left, &block, &sent));
  co_await pause_for(loop, std::chrono::milliseconds(5));
  CHECK_FALSE(received.has_value());
  CHECK_FALSE(sent.has_value());
  pair.left->cancel(StopReason::kShutdown);
  pair.left->cancel(StopReason::kPeerGone);  // the first one counts
  CHECK_FALSE(received.has_value());         // never resumed inside cancel()
  co_await group.join();
  CHECK((received && !*received && received->error() == Error(ErrorCode::kCancelled, "shutting down")));
  CHECK((sent && !*sent && sent->error() == Error(ErrorCode::kCancelled, "shutting down")));
  Result<ReceivedBytes> later_receive = co_await pair.left->receive();
  Result<void> later_send = co_await pair.left->send(block);
  CHECK((!later_receive && later_receive.error().code() == ErrorCode::kCancelled));
  CHECK((!later_send && later_send.error().code() == ErrorCode::kCancelled));
  CHECK_FALSE(pair.left->try_send(block).has_value());
  co_await pair.close();
}

// The bytes and the end arrive together, before anybody asks: both are still to be had, in order.
template <class E>
Task<void> hang_up_scenario(Loop& loop, E& engine, std::size_t size) {
  auto [ours, theirs] = socket_pair();
  auto connection = engine.adopt(std::move(ours));
  const Bytes sent = pattern(size);
  CHECK(::send(theirs.get(), sent.data(), sent.size(), 0) == static_cast<ssize_t>(size));
  theirs.reset();
  co_await pause_for(loop, std::chrono::milliseconds(1));
  Bytes read;
  co_await collect(*connection, &read, size);
  CHECK(read == sent);
  Result<ReceivedBytes> end = co_await connection->receive();
  CHECK((end && end->end_of_stream()));
  Result<void> late = co_await connection->send(sent);
  CHECK((!late && late.error().code() == ErrorCode::kClosed));
  CHECK_FALSE(connection->try_send(sent).has_value());
  co_await connection->close();
}

template <class E>
Task<void> half_close_scenario(Loop& loop, E& engine) {
  auto [ours, theirs] = socket_pair();
  auto connection = engine.adopt(std::move(ours));
  TaskGroup group(loop);
  std::optional<Result<std::string>> end;
  group.spawn(keep_receive(*connection, &end));
  co_await pause_for(loop, std::chrono::milliseconds(1));
  CHECK(::shutdown(theirs.get(), SHUT_WR) == 0);
  co_await group.join();
  CHECK((end && *end && **end == ""));
  const Bytes answer = pattern(100);
  Result<void> sent = co_await connection->send(answer);
  CHECK(sent);
  Bytes read(100);
  CHECK(::recv(theirs.get(), read.data(), read.size(), MSG_WAITALL) == 100);
  CHECK(read == answer);
  co_await connection->close();
}

template <class E>
Task<void> talk_to_itself(ConnectedPair<E>& pair, const bool* stop, std::size_t* turns) {
  const Bytes byte = pattern(1);
  while (!*stop) {
    Result<void> sent = co_await pair.left->send(byte);
    if (!sent) break;
    Result<ReceivedBytes> received = co_await pair.right->receive();
    if (!received) break;
    ++*turns;
  }
}

template <class E>
Task<void> busy_scenario(Loop& loop, E& engine) {
  ConnectedPair<E> pair(engine);
  bool stop = false;
  std::size_t turns = 0;
  TaskGroup group(loop);
  group.spawn(talk_to_itself(pair, &stop, &turns));
  co_await pause_for(loop, std::chrono::milliseconds(2));
  CHECK(turns > 0);
  stop = true;
  co_await group.join();
  co_await pair.close();
}

template <class E>
Task<void> reset_scenario(E& engine) {
  auto [ours, theirs] = socket_pair();
  auto connection = engine.adopt(std::move(ours));
  const Bytes unread = pattern(10);
  Result<void> sent = co_await connection->send(unread);
  CHECK(sent);
  theirs.reset();  // with bytes unread: a reset
  Result<ReceivedBytes> received = co_await connection->receive();
  CHECK((!received && received.error().code() == ErrorCode::kClosed));
  co_await connection->close();
}

}  // namespace

FOR_BOTH_ENGINES("Connection returns what it is sent, in any size") {
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, echo_scenario(loop, *engine));
}

FOR_BOTH_ENGINES("Connection carries megabytes both ways at once") {
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, transfer_scenario(loop, *engine));
}

FOR_BOTH_ENGINES("Connection waits for a slow reader, and try_send takes nothing meanwhile") {
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, slow_reader_scenario(loop, *engine));
}

FOR_BOTH_ENGINES("Connection ends pending and later calls when cancelled") {
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, cancel_scenario(loop, *engine));
}

FOR_BOTH_ENGINES("Connection reads everything before a hang-up, then its end") {
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  for (std::size_t size : {1u, 100u, 2048u, 16'384u, 40'000u}) {
    if (engine) run_until_done(loop, hang_up_scenario(loop, *engine, size));
  }
}

FOR_BOTH_ENGINES("Connection still sends after the peer's half-close") {
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, half_close_scenario(loop, *engine));
}

FOR_BOTH_ENGINES("Connection that is always ready leaves the loop to others") {
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, busy_scenario(loop, *engine));
}

FOR_BOTH_ENGINES("Connection reports a reset as closed") {
  Loop loop;
  auto engine = make_engine<TestType>(loop);
  if (engine) run_until_done(loop, reset_scenario(*engine));
}

TEST_CASE("Connection stays small while it is idle") {
  CHECK(sizeof(UringConnection) <= 64);
  CHECK(sizeof(EpollConnection) <= 64);
  CHECK(sizeof(UringConnection::Receive) <= 96);
  CHECK(sizeof(EpollConnection::Receive) <= 96);
}

}  // namespace steeple::runtime
