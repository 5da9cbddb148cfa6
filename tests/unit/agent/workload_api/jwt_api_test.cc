#include "agent/workload_api/jwt_api.h"

#include <catch2/catch.hpp>
#include <set>

#include "google/protobuf/struct.pb.h"
#include "runtime/task/blocking.h"
#include "runtime/tls/encoding.h"
#include "spiffe/workload/workload.pb.h"
#include "tests/fakes/fake_identity_source.h"
#include "tests/fakes/fake_jwt_source.h"
#include "tests/fakes/fake_server_call.h"
#include "tests/fakes/fixed_attestor.h"
#include "tests/fakes/own_peer.h"
#include "tests/fakes/test_authority.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using steeple::attestation::Selectors;
using steeple::attestation::WorkloadEngine;
using steeple::runtime::grpc::Status;
using steeple::runtime::grpc::StatusCode;

namespace {

struct World {
  explicit World(std::vector<std::string> foreign_claims = {})
      : log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kText),
        engine(loop, one_attestor(attested), log),
        callers(engine),
        identities(loop),
        limits(clock, {{kFetchJwtSvidMethod, 2}}, log),
        api(callers, identities, tokens, limits, clock,
            {*TrustDomain::parse("example.org"), std::move(foreign_claims), {}}, log) {
    authority.add_jwt_key("own", key);
    partner.add_jwt_key("partner", key);
    identities.set_first(authority.update({authority.identity("1", "/one", "a")}, {partner.bundle()}));
  }

  // The answer's message, or nothing; the status is in `status`.
  Bytes call(std::string_view path, const Bytes& request, bool header = true) {
    FakeServerCall made(loop, std::string(path), &own);
    if (header) made.add_metadata("workload.spiffe.io", "true");
    made.set_request(request);
    status = run_until_done(loop, path == kFetchJwtSvidMethod ? api.fetch_jwt_svid(made) : api.validate_jwt_svid(made));
    return made.sent().empty() ? Bytes() : made.sent().front();
  }
  static Bytes encoded(const google::protobuf::MessageLite& message) {
    return to_bytes(as_bytes(message.SerializeAsString()));
  }
  JWTSVIDResponse fetch(const std::vector<std::string>& audience) {
    JWTSVIDRequest request;
    for (const std::string& name : audience) request.add_audience(name);
    Bytes message = call(kFetchJwtSvidMethod, encoded(request));
    JWTSVIDResponse response;
    CHECK(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
    return response;
  }
  ValidateJWTSVIDResponse validate(const std::string& token) {
    ValidateJWTSVIDRequest request;
    request.set_audience("db");
    request.set_svid(token);
    Bytes message = call(kValidateJwtSvidMethod, encoded(request));
    ValidateJWTSVIDResponse response;
    CHECK(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
    return response;
  }
  std::string token(const std::string& key_id, const std::string& claims) const {
    std::string text = base64url_encode(as_bytes(fmt::format(R"({{"alg":"ES256","kid":"{}"}})", key_id))) + "." +
                       base64url_encode(as_bytes(claims));
    EcdsaSignature numbers = *split_ecdsa_signature(*key.sign(SignatureScheme::kEcdsaSha256, as_bytes(text)));
    Bytes signature(64);
    std::copy(numbers.r.rbegin(), numbers.r.rend(), signature.rbegin() + 32);
    std::copy(numbers.s.rbegin(), numbers.s.rend(), signature.rbegin());
    return text + "." + base64url_encode(signature);
  }

  Loop loop;
  SystemClock clock;
  std::string lines;
  Logger log;
  Result<Selectors> attested = Selectors({{"unix", "uid:3001"}});
  WorkloadEngine engine;
  CallerAttestor callers;
  FakeIdentitySource identities;
  FakeJwtSource tokens;
  RateLimiter limits;
  PrivateKey key = *PrivateKey::generate(KeyType::kEcP256);
  TestAuthority authority{"example.org"};
  TestAuthority partner{"partner.test"};
  JwtApi api;
  Peer own = own_peer();
  Status status;
};

std::set<std::string> names_of(const google::protobuf::Struct& claims) {
  std::set<std::string> names;
  for (const auto& [name, value] : claims.fields()) names.insert(name);
  return names;
}

}  // namespace

TEST_CASE("FetchJWTSVID gives the caller's tokens, and no token is logged") {
  World world;
  JWTSVIDResponse response = world.fetch({"db", "web"});
  CHECK(world.status.is_ok());
  REQUIRE(response.svids_size() == 1);
  CHECK(response.svids(0).spiffe_id() == "spiffe://example.org/one");
  CHECK(response.svids(0).svid() == "token for spiffe://example.org/one");
  CHECK(response.svids(0).hint() == "a");
  REQUIRE(world.tokens.asked.size() == 1);
  CHECK(world.tokens.asked[0].audience == std::vector<std::string>{"db", "web"});
  CHECK(world.lines.find("token for") == std::string::npos);
  CHECK(world.lines.find("msg=\"Fetched JWT SVID\"") != std::string::npos);
}

TEST_CASE("Unary requests are decoded before the header is looked at") {
  World world;
  for (std::string_view path : {kFetchJwtSvidMethod, kValidateJwtSvidMethod}) {
    world.call(path, Bytes{0xFF}, false);
    CHECK(world.status == Status(StatusCode::kInternal,
                                 "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data"));
    world.call(path, {}, false);
    CHECK(world.status == Status(StatusCode::kInvalidArgument, "security header missing from request"));
  }
}

TEST_CASE("A failure of the source is passed on, and the call fails as a whole") {
  World world;
  world.identities.set_first(
      world.authority.update({world.authority.identity("1", "/one"), world.authority.identity("2", "/two")}));
  world.tokens.fail = Error(ErrorCode::kUnavailable, "failed to fetch JWT SVID: rpc error: code = X desc = Y");
  CHECK(world.fetch({"db"}).svids_size() == 0);
  CHECK(world.status == Status(StatusCode::kUnavailable,
                               "could not fetch JWT-SVID: failed to fetch JWT SVID: rpc error: code = X desc = Y"));
  CHECK(world.tokens.asked.size() == 1);
}

TEST_CASE("Attestation that fails ends both calls") {
  World world;
  world.attested = Error(ErrorCode::kInternal, "no");
  world.fetch({"db"});
  CHECK(world.status == Status(StatusCode::kUnavailable, "workload attestation failed"));
  world.validate("a.b.c");
  CHECK(world.status == Status(StatusCode::kUnavailable, "workload attestation failed"));
}

TEST_CASE("The agent's own fetches are not limited") {
  World world;
  for (int i = 0; i < 10; ++i) {
    world.fetch({"db"});
    CHECK(world.status.is_ok());
  }
}

TEST_CASE("Of a foreign token only the allowed claims are told, of an own one all") {
  const std::string rest = R"(,"aud":"db","exp":9000000000,"iat":1,"iss":"me","team":{"name":"x"}})";
  World world({"team"});
  ValidateJWTSVIDResponse foreign =
      world.validate(world.token("partner", R"({"sub":"spiffe://partner.test/a")" + rest));
  CHECK(world.status.is_ok());
  CHECK(foreign.spiffe_id() == "spiffe://partner.test/a");
  CHECK(names_of(foreign.claims()) == std::set<std::string>{"aud", "exp", "sub", "team"});
  CHECK(foreign.claims().fields().at("aud").list_value().values(0).string_value() == "db");
  CHECK(foreign.claims().fields().at("team").struct_value().fields().at("name").string_value() == "x");
  ValidateJWTSVIDResponse own = world.validate(world.token("own", R"({"sub":"spiffe://example.org/a")" + rest));
  CHECK(names_of(own.claims()) == std::set<std::string>{"aud", "exp", "iat", "iss", "sub", "team"});
  world.validate(world.token("own", R"({"sub":"spiffe://partner.test/a")" + rest));
  CHECK(world.status.message() == "public key \"own\" not found in trust domain \"partner.test\"");
}
