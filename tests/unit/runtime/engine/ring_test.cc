#include <liburing.h>
#include <poll.h>
#include <unistd.h>

#include "engine_test.h"
#include "runtime/engine/ring.h"

namespace steeple::runtime {

namespace {

class Seen : public RingOp {
 public:
  Seen() : RingOp(&completed) {}
  std::optional<std::int32_t> result;

 private:
  static void completed(RingOp& op, std::int32_t result, std::uint32_t) { static_cast<Seen&>(op).result = result; }
};

std::unique_ptr<UringEngine> make_small_engine(Loop& loop, unsigned entries, unsigned buffers) {
  if (!make_engine<UringEngine>(loop)) return nullptr;
  Ring::Options options;
  options.entries = entries;
  options.buffers = buffers;
  Result<std::unique_ptr<UringEngine>> engine = UringEngine::create(loop, options);
  REQUIRE(engine);
  return std::move(*engine);
}

Task<void> hold(UringConnection& connection, std::vector<ReceivedBytes>* held) {
  Result<ReceivedBytes> received = co_await connection.receive();
  CHECK(received);
  if (received) held->push_back(std::move(*received));
}

Task<void> turn_loop(Loop& loop) {
  Result<void> slept = co_await sleep_until(loop, Deadline::in(std::chrono::milliseconds(2)), StopToken());
  CHECK(slept);
}

void write_byte(const FileDescriptor& socket) { CHECK(::send(socket.get(), "x", 1, 0) == 1); }

Task<void> starved_scenario(Loop& loop, UringEngine& engine) {
  constexpr std::size_t kBuffers = 8, kConnections = 20;
  std::vector<std::unique_ptr<UringConnection>> connections;
  std::vector<FileDescriptor> peers;
  std::vector<ReceivedBytes> held;
  TaskGroup group(loop);
  for (std::size_t i = 0; i < kConnections; ++i) {
    auto [ours, theirs] = socket_pair();
    connections.push_back(engine.adopt(std::move(ours)));
    peers.push_back(std::move(theirs));
    write_byte(peers.back());
    group.spawn(hold(*connections.back(), &held));
  }
  co_await turn_loop(loop);
  CHECK(held.size() == kBuffers);  // the others wait for a buffer
  held.pop_back();
  co_await turn_loop(loop);
  CHECK(held.size() == kBuffers);  // who came next has it
  held.clear();
  co_await turn_loop(loop);
  CHECK(held.size() == kBuffers);
  held.clear();
  co_await group.join();
  CHECK(held.size() == kConnections - 1 - 2 * kBuffers);
  held.clear();
  for (auto& connection : connections) co_await connection->close();
}

Task<void> cancel_starved_scenario(Loop& loop, UringEngine& engine) {
  std::vector<std::unique_ptr<UringConnection>> connections;
  std::vector<FileDescriptor> peers;
  std::vector<ReceivedBytes> held;
  TaskGroup group(loop);
  std::optional<Result<std::string>> results[3];
  for (std::size_t i = 0; i < 4; ++i) {
    auto [ours, theirs] = socket_pair();
    connections.push_back(engine.adopt(std::move(ours)));
    peers.push_back(std::move(theirs));
    write_byte(peers.back());
  }
  co_await hold(*connections[3], &held);  // the only buffer
  for (std::size_t i = 0; i < 3; ++i) group.spawn(keep_receive(*connections[i], &results[i]));
  co_await turn_loop(loop);
  connections[1]->cancel(StopReason::kPeerGone);
  co_await turn_loop(loop);
  CHECK_FALSE(results[0].has_value());
  CHECK((results[1] && !*results[1] && results[1]->error().code() == ErrorCode::kCancelled));
  held.clear();
  co_await group.join();
  CHECK((results[0] && *results[0] && **results[0] == "x"));
  CHECK((results[2] && *results[2] && **results[2] == "x"));
  for (auto& connection : connections) co_await connection->close();
}

// A peer that sends without end, and is not read, keeps nobody else from being served.
Task<void> flood_scenario(Loop& loop, UringEngine& engine) {
  std::vector<std::unique_ptr<UringConnection>> flooded;
  std::vector<FileDescriptor> peers;
  std::vector<ReceivedBytes> ignored;
  TaskGroup group(loop);
  const Bytes flood = pattern(100'000);
  for (int i = 0; i < 16; ++i) {
    auto [ours, theirs] = socket_pair();
    flooded.push_back(engine.adopt(std::move(ours)));
    peers.push_back(std::move(theirs));
    CHECK(::send(peers.back().get(), flood.data(), flood.size(), MSG_DONTWAIT) > 0);
    Result<ReceivedBytes> first = co_await flooded.back()->receive();
    CHECK(first);  // its reader then stops reading
  }
  ConnectedPair<UringEngine> pair(engine);
  group.spawn(echo_until_end(*pair.right));
  Bytes sent = pattern(5000), back;
  co_await send_all(*pair.left, &sent);
  co_await collect(*pair.left, &back, sent.size());
  CHECK(back == sent);
  co_await pair.left->close();
  co_await group.join();
  co_await pair.right->close();
  for (auto& connection : flooded) co_await connection->close();
}

}  // namespace

TEST_CASE("Ring refuses operations that it is not made for") {
  Loop loop;
  if (!make_engine<UringEngine>(loop)) return;
  auto ring = Ring::open({});
  REQUIRE(ring);
  Seen nop, open, flagged;
  io_uring_prep_nop((*ring)->prepare(&nop));
  io_uring_prep_openat((*ring)->prepare(&open), AT_FDCWD, "/etc/passwd", 0, 0);
  (*ring)->turn(10);
  io_uring_sqe* linked = (*ring)->prepare(&flagged);
  io_uring_prep_close(linked, -1);
  linked->flags |= IOSQE_IO_LINK;
  (*ring)->turn(10);
  CHECK(nop.result == -EACCES);
  CHECK(open.result == -EACCES);
  CHECK(flagged.result == -EACCES);
}

TEST_CASE("Ring signals what comes later, and not what a turn has looked at") {
  Loop loop;
  if (!make_engine<UringEngine>(loop)) return;
  auto ring = Ring::open({});
  REQUIRE(ring);
  auto [ours, theirs] = socket_pair();
  Seen sent, received;
  char byte = 0;
  io_uring_prep_send((*ring)->prepare(&sent), ours.get(), "x", 1, 0);
  io_uring_prep_recv((*ring)->prepare(&received), ours.get(), &byte, 1, 0);
  while ((*ring)->turn(10)) {
  }
  CHECK(sent.result == 1);
  CHECK_FALSE(received.result);
  std::uint64_t count = 0;
  CHECK(::read((*ring)->event_fd(), &count, sizeof count) == -1);
  write_byte(theirs);
  pollfd signalled{(*ring)->event_fd(), POLLIN, 0};
  CHECK(::poll(&signalled, 1, 20'000) == 1);
  while ((*ring)->turn(10)) {
  }
  CHECK(received.result == 1);
}

TEST_CASE("Ring keeps submissions in order when its queue is full") {
  Loop loop;
  auto engine = make_small_engine(loop, 2, 8);  // every submission beyond two needs a submit of its own
  if (engine) run_until_done(loop, starved_scenario(loop, *engine));
}

TEST_CASE("UringEngine gives returned buffers to those that found none, in turn") {
  Loop loop;
  auto engine = make_small_engine(loop, 64, 8);
  if (engine) run_until_done(loop, starved_scenario(loop, *engine));
}

TEST_CASE("UringEngine cancels a receive that waits for a buffer") {
  Loop loop;
  auto engine = make_small_engine(loop, 64, 1);
  if (engine) run_until_done(loop, cancel_starved_scenario(loop, *engine));
}

TEST_CASE("UringEngine serves others while peers flood connections that are not read") {
  Loop loop;
  auto engine = make_small_engine(loop, 64, 8);
  if (engine) run_until_done(loop, flood_scenario(loop, *engine));
}

}  // namespace steeple::runtime
