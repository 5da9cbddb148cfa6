#include "agent/sync/jwt_fetcher.h"

#include <catch2/catch.hpp>
#include <deque>

#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"
#include "tests/fakes/entries.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_server_client.h"

using namespace steeple;
using namespace steeple::agent;
using namespace std::chrono_literals;
using runtime::Deadline;
using runtime::Result;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

ServerError status_error(StatusCode code, const std::string& text) {
  return classify(Status(code, text), nullptr).with_context("failed to fetch JWT SVID");
}

struct Fixture {
  explicit Fixture(JwtFetcherOptions options = {}) : server(loop, clock), group(loop) {
    server.put(tests::make_entry("1", "/one", {"unix:uid:1"}));
    options.random = [] { return 0.5; };
    fetcher.emplace(
        loop, clock, server, std::move(options),
        runtime::Logger(runtime::make_string_sink(&log), runtime::LogLevel::kDebug, runtime::LogFormat::kText));
    fetcher->start();
  }
  ~Fixture() {
    group.close(runtime::StopReason::kShutdown);
    runtime::run_until_done(loop, fetcher->close(runtime::StopReason::kShutdown));
    settle();
    CHECK(group.size() == 0);
  }
  void settle() {
    for (int i = 0; i < 5; ++i) {
      loop.io().restart();
      loop.io().poll();
    }
  }
  SharedEntry entry(bool with_jti = false) const {
    RegistrationEntry made = server.entries.at("1");
    made.jwt_svid_include_jti = with_jti;
    return std::make_shared<const RegistrationEntry>(std::move(made));
  }
  using Answer = std::optional<Result<SharedJwtSvid>>;
  Answer& ask(std::vector<std::string> audience = {"db"}, bool with_jti = false,
              Deadline deadline = Deadline::never()) {
    answers.emplace_back();
    group.spawn(fetch(this, entry(with_jti), std::move(audience), deadline, &answers.back()));
    settle();
    return answers.back();
  }
  static runtime::Task<void> fetch(Fixture* f, SharedEntry entry, std::vector<std::string> audience, Deadline deadline,
                                   Answer* out) {
    Result<SharedJwtSvid> got =
        co_await f->fetcher->fetch(std::move(entry), std::move(audience), deadline, f->group.token());
    out->emplace(std::move(got));
  }
  std::string token(Answer& answer) { return answer && *answer ? std::string((**answer)->token()) : "none"; }
  // The wall clock moves, and the renewals notice.
  void advance(std::chrono::seconds by) {
    clock.advance_wall(by);
    ask({"other" + std::to_string(++others)});
  }

  runtime::Loop loop;
  tests::FakeClock clock;
  std::string log;
  tests::FakeServerClient server;
  std::optional<JwtFetcher> fetcher;
  runtime::TaskGroup group;
  std::deque<Answer> answers;
  int others = 0;
};

std::size_t asked_for(const Fixture& f, const std::string& audience) {
  std::size_t count = 0;
  for (const auto& asked : f.server.jwt_asked) count += asked.audience.front() == audience ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("JWT-SVIDs are asked for once per audience set") {
  Fixture f;
  std::string first = f.token(f.ask({"a", "b"}));
  CHECK(first != "none");
  CHECK(f.token(f.ask({"b", "a"})) == first);
  CHECK(f.token(f.ask({"a"})) != first);
  REQUIRE(f.server.jwt_asked.size() == 2);
  CHECK(f.server.jwt_asked[0].entry_id == "1");
  CHECK(f.server.jwt_asked[0].audience == std::vector<std::string>{"a", "b"});
  CHECK(f.fetcher->cached() == 2);
}

TEST_CASE("Equal requests at the same time are one call") {
  Fixture f;
  f.server.jwt_gate = std::make_unique<runtime::Signal>(f.loop);
  auto& one = f.ask();
  auto& two = f.ask();
  CHECK_FALSE(one);
  f.server.jwt_gate_open = true;
  f.server.jwt_gate->notify();
  f.settle();
  CHECK(f.token(one) != "none");
  CHECK(f.token(one) == f.token(two));
  CHECK(f.server.jwt_asked.size() == 1);
}

TEST_CASE("Entries that want a jti get a new token each time") {
  Fixture f;
  CHECK(f.token(f.ask({"db"}, true)) != f.token(f.ask({"db"}, true)));
  CHECK(f.server.jwt_asked.size() == 2);
  CHECK(f.fetcher->cached() == 0);
}

TEST_CASE("A token is renewed in the background at half of its life, and nobody waits") {
  Fixture f;
  std::string first = f.token(f.ask());
  f.advance(149s);
  CHECK(asked_for(f, "db") == 1);
  f.server.jwt_gate = std::make_unique<runtime::Signal>(f.loop);  // from now on the server is slow
  f.clock.advance_wall(2s);
  f.ask({"new"});  // makes the renewals look at the clock
  f.settle();
  CHECK(f.token(f.ask()) == first);
  f.server.jwt_gate_open = true;
  f.server.jwt_gate->notify();
  f.settle();
  CHECK(asked_for(f, "db") == 2);
  CHECK(f.token(f.ask()) != first);
}

TEST_CASE("A renewal that fails leaves the cached token; an expired one is told with the reason") {
  JwtFetcherOptions options;
  options.cache_hit_timeout = 7s;
  Fixture f(options);
  std::string first = f.token(f.ask());
  f.server.fail_jwt = status_error(StatusCode::kUnavailable, "away");
  const auto before = f.clock.now();
  f.advance(160s);
  f.settle();
  CHECK(asked_for(f, "db") == 2);
  CHECK(f.server.jwt_deadline.when() - before < 29s);
  CHECK(f.token(f.ask()) == first);
  CHECK(f.log.find("Unable to renew JWT; returning cached copy") != std::string::npos);
  f.clock.advance_wall(200s);
  auto& late = f.ask();
  REQUIRE(late);
  REQUIRE_FALSE(*late);
  CHECK(late->error().message() ==
        "unable to renew JWT for \"spiffe://example.org/one\" (err=failed to fetch JWT SVID: rpc error: code = "
        "Unavailable desc = away)");
}

TEST_CASE("A renewal that is refused or fails is not tried again by each caller") {
  for (StatusCode code : {StatusCode::kNotFound, StatusCode::kUnavailable}) {
    Fixture f;
    std::string first = f.token(f.ask());
    f.server.fail_jwt = status_error(code, "no");
    f.advance(160s);
    f.settle();
    REQUIRE(asked_for(f, "db") == 2);
    for (int i = 0; i < 20; ++i) CHECK(f.token(f.ask()) == first);
    CHECK(asked_for(f, "db") == 2);
    f.advance(70s);
    f.settle();
    CHECK(asked_for(f, "db") == 3);
    CHECK(f.token(f.ask()) == first);
  }
}

TEST_CASE("The server's refusal is passed on as it is") {
  Fixture f;
  f.server.fail_jwt = status_error(StatusCode::kNotFound, "entry not found or not authorized");
  auto& answer = f.ask();
  REQUIRE(answer);
  REQUIRE_FALSE(*answer);
  CHECK(answer->error().message() ==
        "failed to fetch JWT SVID: rpc error: code = NotFound desc = entry not found or not authorized");
}

TEST_CASE("A caller that leaves, or whose time is up, does not end the call for others") {
  Fixture f;
  f.server.jwt_gate = std::make_unique<runtime::Signal>(f.loop);
  auto& patient = f.ask();
  auto& hasty = f.ask({"db"}, false, Deadline::in(1ms));
  CHECK(runtime::run_until_done(f.loop, runtime::sleep_until(f.loop, Deadline::in(20ms), {})));
  f.settle();
  REQUIRE(hasty);
  REQUIRE_FALSE(*hasty);
  CHECK(hasty->error().message() ==
        "failed to fetch JWT SVID: rpc error: code = DeadlineExceeded desc = context deadline exceeded");
  CHECK_FALSE(patient);
  f.server.jwt_gate_open = true;
  f.server.jwt_gate->notify();
  f.settle();
  CHECK(f.token(patient) != "none");
}

TEST_CASE("Tokens of a tainted authority are given out no more") {
  Fixture f;
  std::string first = f.token(f.ask());
  f.server.jwt_key_id = "key-2";
  f.fetcher->drop_signed_by({"key-1"});
  CHECK(f.token(f.ask()) != first);
  CHECK(f.log.find("JWT-SVIDs were removed from the JWT cache because they were issued by a tainted authority") !=
        std::string::npos);
}

TEST_CASE("One entry cannot have all calls to the server") {
  Fixture f;
  f.server.put(tests::make_entry("2", "/two", {"unix:uid:2"}));
  f.server.jwt_gate = std::make_unique<runtime::Signal>(f.loop);
  for (std::size_t i = 0; i < kJwtCallsOfEntryMax; ++i) f.ask({"audience " + std::to_string(i)});
  auto& refused = f.ask({"one more"});
  REQUIRE(refused);
  CHECK(refused->error().message() == "failed to fetch JWT SVID: too many JWT-SVIDs are being requested");
  CHECK(f.server.jwt_asked.size() == kJwtCallsOfEntryMax);
  f.server.jwt_gate_open = true;
  for (std::size_t i = 0; i < kJwtCallsOfEntryMax; ++i) {
    f.server.jwt_gate->notify();
    f.settle();
  }
}

TEST_CASE("A token is kept under the SPIFFE ID that the server gave it") {
  Fixture f;
  f.server.jwt_spiffe_id = *SpiffeId::parse("spiffe://example.org/renamed");
  std::string first = f.token(f.ask());
  CHECK(f.token(f.ask()) != first);
  CHECK(f.server.jwt_asked.size() == 2);
}

TEST_CASE("A token whose entry was renamed is served until its end, and the new name has its own") {
  Fixture f;
  std::string first = f.token(f.ask());
  f.server.jwt_spiffe_id = *SpiffeId::parse("spiffe://example.org/renamed");
  f.advance(160s);
  f.settle();
  CHECK(asked_for(f, "db") == 2);  // the renewal, kept under the new name
  CHECK(f.token(f.ask()) == first);
  f.server.put(tests::make_entry("1", "/renamed", {"unix:uid:1"}));
  CHECK(f.token(f.ask()) != first);
  CHECK(asked_for(f, "db") == 2);
}
