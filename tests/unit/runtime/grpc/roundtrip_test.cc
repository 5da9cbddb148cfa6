// The server against our own client: what a well-behaved pair does.
#include <catch2/catch.hpp>

#include "tests/unit/runtime/grpc/support.h"

namespace steeple::runtime::grpc::test {
namespace {

Task<void> unary_once(World* world) {
  CallOptions options = call_options();
  options.metadata.add("x-test", "hello");
  auto answer = co_await world->channel().unary("/test.Echo/Unary", bytes_of("ping"), options);
  REQUIRE(answer);
  CHECK(to_text(*answer) == "ping");
  CHECK(world->service.last_metadata == "hello");
}

TEST_CASE("A unary call carries its message and metadata both ways") {
  World world;
  world.run(unary_once(&world));
  CHECK(world.connects == 1);
}

Task<void> many_unary(World* world) {
  for (int i = 0; i < 300; ++i) {
    std::string text = "message " + std::to_string(i);
    auto answer = co_await world->channel().unary("/test.Echo/Unary", bytes_of(text), call_options());
    REQUIRE(answer);
    REQUIRE(to_text(*answer) == text);
  }
}

TEST_CASE("Calls share one connection") {
  World world;
  world.run(many_unary(&world));
  CHECK(world.connects == 1);
  CHECK(world.service.ended == 300);
}

TEST_CASE("Streams that arrive in pieces of one byte are read all the same") {
  World world({}, {.capacity = 64, .chunk = 1});
  world.run(unary_once(&world));
}

Task<void> failing(World* world) {
  auto answer = co_await world->channel().unary("/test.Echo/Fail", bytes_of("no: \xC3\xA4 100%\n"), call_options());
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code() == StatusCode::kPermissionDenied);
  CHECK(answer.error().message() == "no: \xC3\xA4 100%\n");
  CHECK(answer.error().details() == "\x08\x07");
  auto silent = co_await world->channel().unary("/test.Echo/Silent", {}, call_options());
  REQUIRE_FALSE(silent);
  CHECK(silent.error() == Status(StatusCode::kInternal, "the handler sent no answer"));
  auto unknown = co_await world->channel().unary("/test.Echo/Nope", {}, call_options());
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error() == Status(StatusCode::kUnimplemented, "unknown method Nope for service test.Echo"));
}

TEST_CASE("A status keeps its code, its text byte for byte, and its details") {
  World world;
  world.run(failing(&world));
}

Task<void> large(World* world) {
  Bytes message(4u << 20, 'x');
  for (std::size_t i = 0; i < message.size(); i += 1000) message[i] = static_cast<std::uint8_t>(i);
  auto answer = co_await world->channel().unary("/test.Echo/Unary", message, call_options());
  REQUIRE(answer);
  CHECK(*answer == message);
  message.push_back('y');
  auto refused = co_await world->channel().unary("/test.Echo/Unary", message, call_options());
  REQUIRE_FALSE(refused);
  CHECK(refused.error() ==
        Status(StatusCode::kResourceExhausted, "grpc: received message larger than max (4194305 vs. 4194304)"));
  co_await unary_once(world);
}

TEST_CASE("Messages of 4 MiB pass, one byte more is refused, and the connection lives on") {
  World world;
  world.run(large(&world));
  CHECK(world.connects == 1);
}

Task<void> receive_limit(World* world, Channel* channel) {
  auto refused = co_await channel->unary("/test.Echo/Unary", Bytes(101, 'x'), call_options());
  REQUIRE_FALSE(refused);
  CHECK(refused.error() ==
        Status(StatusCode::kResourceExhausted, "grpc: received message larger than max (101 vs. 100)"));
  CHECK(co_await channel->unary("/test.Echo/Unary", Bytes(100, 'x'), call_options()));
  co_await channel->close(StopReason::kShutdown);
  co_await turns(world->loop);
}

TEST_CASE("A channel refuses messages above its limit") {
  World world;
  ChannelOptions options;
  options.message_size_max = 100;
  auto channel = world.make_channel(options);
  world.run(receive_limit(&world, channel.get()));
}

Task<void> watch_updates(World* world) {
  auto stream = co_await world->channel().open_stream("/test.Echo/Watch", call_options());
  REQUIRE(stream);
  REQUIRE(co_await (*stream)->send(as_bytes("first")));
  (*stream)->half_close();
  auto first = co_await (*stream)->receive();
  REQUIRE(first);
  CHECK(to_text(**first) == "first");
  for (int i = 0; i < 5; ++i) {
    REQUIRE(world->service.watchers.size() == 1);
    world->service.pushed = make_message(as_bytes("update " + std::to_string(i)));
    world->service.watchers[0]->notify();
    auto update = co_await (*stream)->receive();
    REQUIRE(update);
    CHECK(to_text(**update) == "update " + std::to_string(i));
  }
  stream->reset();  // cancels
  co_await turns(world->loop);
  CHECK(world->service.last_stop == StopReason::kCallerCancelled);
  CHECK(world->server->streams() == 0);
}

TEST_CASE("A server stream brings updates until the client lets go, and the handler hears of it") {
  World world;
  world.run(watch_updates(&world));
}

Task<void> talk_both_ways(World* world) {
  auto stream = co_await world->channel().open_stream("/test.Echo/BothWays", call_options());
  REQUIRE(stream);
  for (int i = 0; i < 50; ++i) {
    std::string text(static_cast<std::size_t>(i) * 997, 'b');
    REQUIRE(co_await (*stream)->send(as_bytes(text)));
    auto back = co_await (*stream)->receive();
    REQUIRE(back);
    CHECK(to_text(**back) == text);
  }
  for (int i = 0; i < 50; ++i) REQUIRE(co_await (*stream)->send(as_bytes("queued")));
  (*stream)->half_close();
  for (int i = 0; i < 50; ++i) {
    auto back = co_await (*stream)->receive();
    REQUIRE(back);
    REQUIRE(*back);
  }
  auto end = co_await (*stream)->receive();
  REQUIRE(end);
  CHECK_FALSE(*end);
}

TEST_CASE("A bidirectional call answers each message and ends with OK after the half-close") {
  World world;
  world.run(talk_both_ways(&world));
}

Task<void> big_stream(World* world, unsigned count, unsigned size) {
  auto stream = co_await world->channel().open_stream("/test.Echo/Flood", call_options());
  REQUIRE(stream);
  REQUIRE(co_await (*stream)->send(as_bytes(std::to_string(count) + " " + std::to_string(size))));
  (*stream)->half_close();
  for (unsigned i = 0; i < count; ++i) {
    auto message = co_await (*stream)->receive();
    REQUIRE(message);
    REQUIRE(*message);
    REQUIRE((*message)->size() == size);
  }
  auto end = co_await (*stream)->receive();
  REQUIRE(end);
  CHECK_FALSE(*end);
}

TEST_CASE("Streams far larger than every window and buffer arrive whole") {
  World world({}, {.capacity = 10'000, .chunk = 3'000});
  world.run(big_stream(&world, 20, 700'000));
  world.run(big_stream(&world, 2000, 0));
  world.run(big_stream(&world, 2000, 1));
}

}  // namespace
}  // namespace steeple::runtime::grpc::test
