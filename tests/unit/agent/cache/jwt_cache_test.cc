#include "agent/cache/jwt_cache.h"

#include <catch2/catch.hpp>

#include "runtime/tls/encoding.h"

using namespace steeple;
using namespace steeple::agent;
using namespace std::chrono_literals;
using runtime::WallTime;

namespace {

const WallTime kNow(std::chrono::seconds(1'800'000'000));

SharedJwtSvid svid(const std::string& key_id = "k", std::chrono::seconds lifetime = 300s, std::size_t padding = 0) {
  std::string header = runtime::base64url_encode(runtime::as_bytes(R"({"alg":"ES256","kid":")" + key_id + R"("})"));
  std::string token = header + ".e30." + std::string(padding + (4 - padding % 4) % 4, 'A');
  return std::make_shared<const JwtSvid>(*SpiffeId::parse("spiffe://example.org/a"),
                                         runtime::SecretBytes(runtime::as_bytes(token)), kNow, kNow + lifetime);
}

JwtRequest request(const std::string& audience = "db") {
  return {std::make_shared<const RegistrationEntry>("1", *SpiffeId::parse("spiffe://example.org/a"),
                                                    attestation::Selectors({{"unix", "uid:1"}})),
          {audience}};
}

}  // namespace

TEST_CASE("JWT cache keys tell SPIFFE IDs and audience sets apart, whatever the order") {
  CHECK(jwt_cache_key("a", {"x", "y"}) == jwt_cache_key("a", {"y", "x"}));
  CHECK(jwt_cache_key("a", {"x"}) != jwt_cache_key("b", {"x"}));
  CHECK(jwt_cache_key("a", {"x"}) != jwt_cache_key("a", {"x", "x"}));
  CHECK(jwt_cache_key("a", {"xy"}) != jwt_cache_key("a", {"x", "y"}));
  CHECK(jwt_cache_key("a", {}) != jwt_cache_key("a", {""}));
  const std::string longer(1000, 'x');
  CHECK(jwt_cache_key("a", {longer, "y"}) == jwt_cache_key("a", {"y", longer}));
  CHECK(jwt_cache_key("a", {longer, "y"}) != jwt_cache_key("a", {longer, "z"}));
  CHECK(jwt_cache_key("a", {longer, "y"}).size() < 100);
}

TEST_CASE("The JWT cache is bound; the least recently used goes") {
  JwtCache cache(2);
  cache.put("a", svid(), request(), kNow + 150s, true);
  cache.put("b", svid(), request(), kNow + 150s, true);
  CHECK(cache.find("a", kNow));
  cache.put("c", svid(), request(), kNow + 150s, true);
  CHECK(cache.size() == 2);
  CHECK(cache.find("a", kNow));
  CHECK_FALSE(cache.find("b", kNow));
  cache.put("c", svid(), request(), kNow + 150s, true);  // its successor takes nobody's place
  CHECK(cache.find("a", kNow));
  CHECK(cache.take_due(kNow + 150s, 10).size() == 2);
}

TEST_CASE("A token is renewed at its time if somebody asked for it since it was issued") {
  JwtCache cache(10);
  cache.put("a", svid(), request(), kNow + 150s, true);
  CHECK(cache.next_renewal() == kNow + 150s);
  CHECK(cache.take_due(kNow + 149s, 10).empty());
  auto due = cache.take_due(kNow + 150s, 10);
  REQUIRE(due.size() == 1);
  CHECK(due[0].key == "a");
  CHECK(due[0].request.audience == std::vector<std::string>{"db"});
  CHECK(cache.find("a", kNow + 151s));
  CHECK_FALSE(cache.next_renewal());  // under way
  cache.put("a", svid("k", 450s), request(), kNow + 300s, false);
  CHECK_FALSE(cache.next_renewal());  // nobody asked
  CHECK(cache.find("a", kNow + 160s));
  CHECK(cache.next_renewal() == kNow + 300s);
}

TEST_CASE("A renewal that failed comes again until the token has expired") {
  JwtCache cache(10);
  cache.put("a", svid(), request(), kNow + 150s, true);
  REQUIRE(cache.take_due(kNow + 150s, 1).size() == 1);
  cache.retry("a", kNow + 155s);
  CHECK(cache.next_renewal() == kNow + 155s);
  REQUIRE(cache.take_due(kNow + 155s, 1).size() == 1);
  cache.retry("a", kNow + 300s);
  CHECK_FALSE(cache.next_renewal());
  cache.retry("gone", kNow);
  CHECK(cache.find("a", kNow + 400s));  // told to the caller's error
  CHECK_FALSE(cache.next_renewal());
}

TEST_CASE("Tokens of a tainted authority are dropped, and not kept when they come late") {
  JwtCache cache(10);
  cache.put("a", svid("old"), request(), kNow + 150s, true);
  cache.put("b", svid("new"), request(), kNow + 150s, true);
  CHECK(cache.taint({"old", "other"}) == std::map<std::string, std::size_t>{{"old", 1}});
  CHECK_FALSE(cache.find("a", kNow));
  CHECK(cache.find("b", kNow));
  cache.put("a", svid("old"), request(), kNow + 150s, true);
  CHECK_FALSE(cache.find("a", kNow));
  CHECK(cache.take_due(kNow + 1h, 10).empty());
}

TEST_CASE("A very long token is not kept") {
  JwtCache cache(10);
  cache.put("a", svid("k", 300s, kCachedJwtSizeMax), request(), kNow + 150s, true);
  CHECK(cache.size() == 0);
}
