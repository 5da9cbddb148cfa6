// What one connection may take of the server: more is refused, and others are served all the same.
#include <catch2/catch.hpp>

#include "runtime/grpc/response_head.h"
#include "tests/unit/runtime/grpc/support.h"

namespace steeple::runtime::grpc::test {
namespace {

constexpr std::size_t kTooMany = 50;

Task<void> open_streams(World* world, std::size_t count) {
  RawClient client(world->connect_raw());
  co_await client.send(client_preface());
  const Bytes block = header_block(request_headers("/test.Echo/Hold"));
  for (std::size_t i = 0; i < count + kTooMany; ++i) {
    const auto stream = static_cast<std::uint32_t>(2 * i + 1);
    Bytes call = frame(kHeaders, kEndHeaders, stream, block);
    call += frame(kData, kEndStream, stream, message_frame("x"));
    co_await client.send(std::move(call));
  }
  co_await client.read_until([&](const std::vector<Frame>&) { return client.count(kReset) >= kTooMany; });
  CHECK(client.count(kReset) == kTooMany);
  for (const Frame& reset : client.of_type(kReset)) {
    CHECK(number_at(reset.payload, 0) == 7);  // REFUSED_STREAM
    CHECK(reset.stream > 2 * count);
  }
  CHECK(world->server->streams() == count);
  auto other = co_await world->channel().unary("/test.Echo/Unary", bytes_of("served"), call_options());
  REQUIRE(other);
  CHECK(to_text(*other) == "served");
  co_await client.close();
  while (world->server->streams() != 0)
    (void)co_await sleep_until(world->loop, Deadline::in(std::chrono::milliseconds(1)), {});
}

TEST_CASE("What a server cancels when the deadline has passed was ended by the deadline") {
  CHECK(status_of_reset(http2::Reason::kCancel, true).code() == StatusCode::kDeadlineExceeded);
  CHECK(status_of_reset(http2::Reason::kCancel, false).code() == StatusCode::kCancelled);
  CHECK(status_of_reset(http2::Reason::kRefusedStream, true).code() == StatusCode::kUnavailable);
}

TEST_CASE("Ten thousand streams on one connection are held, more are refused, and nobody else is") {
  World world;
  const std::size_t count = ServerOptions().streams_per_connection_max;
  CHECK(count == 10'000);
  world.run(open_streams(&world, count));
}

}  // namespace
}  // namespace steeple::runtime::grpc::test
