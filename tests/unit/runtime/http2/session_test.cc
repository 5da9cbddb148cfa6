#include "runtime/http2/session.h"

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include "runtime/http2/frame_memory.h"
#include "runtime/http2/ping_policy.h"

namespace steeple::runtime::http2 {
namespace {

// Answers each request with a body of its own, or reads such an answer; one session.
class Peer final : public SessionHandler {
 public:
  Peer(Session::Role role, unsigned seed) : seed_(seed), session_(*this, options(role)) {}

  static Session::Options options(Session::Role role) {
    Session::Options options;
    options.role = role;
    options.header_list_bytes_max = 60'000;
    return options;
  }
  static std::uint8_t byte_at(unsigned seed, std::size_t at) {
    return static_cast<std::uint8_t>(at * 31 + seed + at / 251);
  }

  void on_begin_headers(std::int32_t stream, void* user) override {
    if (user == nullptr) session_.set_user(stream, this);
  }
  void on_header(std::int32_t, void*, std::string_view name, std::string_view value) override {
    headers_[std::string(name)] = value;
  }
  void on_headers(std::int32_t, void*, bool end_stream, bool too_large) override {
    ++blocks_;
    too_large_ = too_large_ || too_large;
    if (end_stream) ended_ = true;
  }
  void on_data(std::int32_t stream, void*, BytesView data) override {
    for (std::uint8_t byte : data) corrupted_ = corrupted_ || byte != byte_at(seed_, received_++);
    if (consume_) session_.consume(stream, data.size());
  }
  void on_data_end(std::int32_t, void*) override { ended_ = true; }
  void on_stream_closed(std::int32_t, void*, Reason reason) override { closed_ = reason; }
  DataPlan plan_data(std::int32_t stream, void*, std::size_t size_max) override {
    DataPlan plan;
    plan.size = std::min(size_max, body_ - sent_);
    plan.end = sent_ + plan.size == body_;
    plan.trailers = plan.end && with_trailers_;
    if (plan.trailers) {
      Header trailer("trailer", "done");
      session_.submit_trailers(stream, {&trailer, 1});
    }
    return plan;
  }
  void write_data(std::int32_t, void*, std::uint8_t* out, std::size_t size) override {
    CHECK(size <= kFramePayloadMax);
    for (std::size_t i = 0; i < size; ++i) out[i] = byte_at(seed_, sent_++);
  }
  void on_ping() override { ++pings_; }
  void on_settings() override { ++settings_; }
  void on_goaway(std::int32_t, Reason reason, BytesView debug) override {
    goaway_ = reason;
    goaway_debug_ = to_text(debug);
  }

  Bytes output(std::size_t room = 64 << 10) {
    Bytes out(room);
    Result<std::size_t> size = session_.fill(out);
    REQUIRE(size);
    out.resize(*size);
    return out;
  }
  Bytes all_output() {
    Bytes all;
    for (Bytes next = output(); !next.empty(); next = output()) all.insert(all.end(), next.begin(), next.end());
    return all;
  }

  unsigned seed_;
  Session session_;
  std::size_t body_ = 0;
  std::size_t sent_ = 0;
  std::size_t received_ = 0;
  std::map<std::string, std::string> headers_;
  int blocks_ = 0;
  int pings_ = 0;
  int settings_ = 0;
  bool with_trailers_ = false;
  bool too_large_ = false;
  bool corrupted_ = false;
  bool ended_ = false;
  bool consume_ = true;
  std::optional<Reason> closed_;
  std::optional<Reason> goaway_;
  std::string goaway_debug_;
};

std::vector<Header> request_headers(const std::string& long_value) {
  return {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}, {"long", long_value}};
}

void respond(Peer& server, const std::string& long_value) {
  std::vector<Header> headers{{":status", "200"}, {"long", long_value}};
  server.session_.submit_response(1, headers, true);
}

TEST_CASE("This nghttp2 allows what we share between sessions") {
  CHECK(FrameMemory::is_shared());
  CHECK(FrameMemory::is_encoder_table_shared());
}

struct Pair {
  explicit Pair(unsigned seed) : server(Session::Role::kServer, seed), client(Session::Role::kClient, seed) {}
  Peer server;
  Peer client;
  Bytes to_client;
  Bytes to_server;
  std::string long_value;
  bool answered = false;
  bool done() const { return client.closed_.has_value(); }
};

// Moves between 1 and all bytes under way.
void deliver(Peer& to, Bytes& bytes, std::mt19937& random, SteadyTime now) {
  if (bytes.empty()) return;
  std::size_t size = 1 + random() % bytes.size();
  REQUIRE(to.session_.feed({bytes.data(), size}, now));
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
}

void step(Pair& pair, std::mt19937& random, SteadyTime now) {
  auto append = [](Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); };
  // Room for one frame, or for several: the session stops between frames, also between HEADERS and CONTINUATION.
  std::size_t room = kFrameRoom * (1 + random() % 3);
  switch (random() % 4) {
    case 0:
      append(pair.to_server, pair.client.output(room));
      break;
    case 1:
      append(pair.to_client, pair.server.output(room));
      break;
    case 2:
      deliver(pair.server, pair.to_server, random, now);
      break;
    default:
      deliver(pair.client, pair.to_client, random, now);
      break;
  }
  if (!pair.answered && pair.server.blocks_ > 0 && pair.server.ended_) {
    pair.answered = true;
    respond(pair.server, pair.long_value);
  }
}

void stress(unsigned sessions, unsigned seed) {
  std::mt19937 random(seed);
  SteadyTime now = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Pair>> pairs;
  for (unsigned i = 0; i < sessions; ++i) {
    auto pair = std::make_unique<Pair>(i);
    pair->long_value.assign(random() % 4 == 0 ? 20'000 + random() % 30'000 : random() % 100,
                            static_cast<char>('a' + i % 26));
    pair->server.body_ = random() % 150'000;
    pair->client.body_ = random() % 3 == 0 ? random() % 40'000 : 0;
    pair->server.with_trailers_ = random() % 2 == 0;
    REQUIRE(pair->client.session_.submit_request(request_headers(pair->long_value), &pair->client));
    pairs.push_back(std::move(pair));
  }
  std::size_t left = pairs.size();
  for (long steps = 0; left != 0 && steps < 5'000'000; ++steps) {
    Pair& pair = *pairs[random() % pairs.size()];
    if (pair.done()) continue;
    step(pair, random, now);
    if (pair.done()) --left;
  }
  CHECK(left == 0);
  for (const auto& pair : pairs) {
    CHECK_FALSE(pair->client.corrupted_);
    CHECK_FALSE(pair->server.corrupted_);
    CHECK(pair->client.received_ == pair->server.body_);
    CHECK(pair->server.received_ == pair->client.body_);
    CHECK(pair->client.headers_["long"] == pair->long_value);
    CHECK(pair->server.headers_["long"] == pair->long_value);
    CHECK(pair->client.headers_.count("trailer") == (pair->server.with_trailers_ ? 1u : 0u));
  }
}

TEST_CASE("500 sessions that share their frame buffer and are interleaved at random corrupt nothing") {
  stress(500, 1);
}

TEST_CASE("Sessions that share nothing give the same") {
  FrameMemory::set_sharing_allowed(false);
  stress(50, 2);
  FrameMemory::set_sharing_allowed(true);
}

void exchange(Peer& server, Peer& client) {
  SteadyTime now = std::chrono::steady_clock::now();
  for (int i = 0; i < 50; ++i) {
    REQUIRE(server.session_.feed(client.all_output(), now));
    REQUIRE(client.session_.feed(server.all_output(), now));
  }
}

TEST_CASE("A server's first frame is SETTINGS with MAX_FRAME_SIZE 16384 alone, before it has read anything") {
  Peer server(Session::Role::kServer, 0);
  Bytes expected{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0x40, 0};
  CHECK(server.all_output() == expected);
}

TEST_CASE("A reader that takes nothing in stops the sender at the window") {
  Peer server(Session::Role::kServer, 3);
  Peer client(Session::Role::kClient, 3);
  client.consume_ = false;
  server.body_ = 1'000'000;
  REQUIRE(client.session_.submit_request(request_headers(""), &client));
  exchange(server, client);
  respond(server, "");
  exchange(server, client);
  CHECK(client.received_ == 65'535);
  client.session_.consume(1, client.received_);
  client.consume_ = true;
  exchange(server, client);
  CHECK(client.received_ == 1'000'000);
  CHECK_FALSE(client.corrupted_);
}

TEST_CASE("A header list above the limit is reported as too large, and the session lives on") {
  Peer server(Session::Role::kServer, 4);
  Peer client(Session::Role::kClient, 4);
  REQUIRE(client.session_.submit_request(request_headers(std::string(59'990, 'x')), &client));
  exchange(server, client);
  CHECK(server.too_large_);
  server.too_large_ = false;
  REQUIRE(client.session_.submit_request(request_headers("small"), &client));
  exchange(server, client);
  CHECK_FALSE(server.too_large_);
  CHECK(server.headers_["long"] == "small");
}

TEST_CASE("PING is acknowledged with the next output") {
  Peer server(Session::Role::kServer, 5);
  Peer client(Session::Role::kClient, 5);
  exchange(server, client);
  client.session_.submit_ping(7);
  REQUIRE(server.session_.feed(client.all_output(), {}));
  CHECK(server.pings_ == 1);
  Bytes ack = server.all_output();
  REQUIRE(ack.size() == 17);
  CHECK(ack[3] == 6);
  CHECK(ack[4] == 1);
}

TEST_CASE("GOAWAY carries its reason and text, and ends the session once its streams have ended") {
  Peer server(Session::Role::kServer, 6);
  Peer client(Session::Role::kClient, 6);
  REQUIRE(client.session_.submit_request(request_headers(""), &client));
  exchange(server, client);
  server.session_.goaway(Reason::kEnhanceYourCalm, "too_many_pings");
  exchange(server, client);
  CHECK(client.goaway_ == Reason::kEnhanceYourCalm);
  CHECK(client.goaway_debug_ == "too_many_pings");
  CHECK_FALSE(client.session_.can_open_stream());
  CHECK_FALSE(server.session_.finished());
  server.body_ = 10;
  respond(server, "");
  exchange(server, client);
  CHECK(client.received_ == 10);
  CHECK(server.session_.finished());
}

// The reason of the last GOAWAY among whole frames.
std::optional<Reason> goaway_in(BytesView frames) {
  std::optional<Reason> reason;
  while (frames.size() >= 9) {
    std::size_t size = 9 + (frames[0] << 16 | frames[1] << 8 | frames[2]);
    REQUIRE(size <= frames.size());
    if (frames[3] == 7) reason = static_cast<Reason>(frames[16]);
    frames = frames.subspan(size);
  }
  return reason;
}

TEST_CASE("A flood of SETTINGS or PRIORITY ends the session") {
  Bytes settings{0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 1};
  Bytes priority{0, 0, 5, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  for (const Bytes& one : {settings, priority}) {
    Peer server(Session::Role::kServer, 7);
    Peer client(Session::Role::kClient, 7);
    exchange(server, client);
    SteadyTime now = std::chrono::steady_clock::now();
    int fed = 0;
    Bytes answer;
    while (!server.session_.finished() && fed < 1000) {
      ++fed;
      REQUIRE(server.session_.feed(one, now));
      answer = server.all_output();
    }
    CHECK(fed < 300);
    CHECK(goaway_in(answer) == Reason::kEnhanceYourCalm);
  }
}

TEST_CASE("What is not HTTP/2 is an error") {
  for (std::string_view text :
       {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on ......."}) {
    Peer server(Session::Role::kServer, 8);
    CHECK_FALSE(server.session_.feed(as_bytes(text), {}));
  }
}

TEST_CASE("Pings: the first is free, three strikes are too many, answers clear them") {
  PingPolicy policy;
  SteadyTime now = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) CHECK(policy.on_ping(now, 1));
  policy.on_answer_sent();
  for (int i = 0; i < 3; ++i) CHECK(policy.on_ping(now, 1));
  CHECK_FALSE(policy.on_ping(now, 1));
}

TEST_CASE("Pings 5 minutes apart are welcome while a stream is open, 2 hours apart without") {
  using std::chrono::minutes;
  PingPolicy policy;
  SteadyTime now = std::chrono::steady_clock::now();
  for (int i = 0; i < 10; ++i) CHECK(policy.on_ping(now += minutes(5), 1));
  CHECK(policy.on_ping(now += minutes(5), 0));
  CHECK(policy.on_ping(now += minutes(5), 0));
  CHECK_FALSE(policy.on_ping(now += minutes(5), 0));
  PingPolicy idle;
  for (int i = 0; i < 10; ++i) CHECK(idle.on_ping(now += minutes(120), 0));
}

TEST_CASE("TokenBucket gives the burst at once and the rest at its rate") {
  TokenBucket bucket(3, 2);
  SteadyTime now = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i) CHECK(bucket.take(now));
  CHECK_FALSE(bucket.take(now));
  now += std::chrono::milliseconds(500);
  CHECK(bucket.take(now));
  CHECK_FALSE(bucket.take(now));
}

}  // namespace
}  // namespace steeple::runtime::http2
