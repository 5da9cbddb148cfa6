#include <catch2/catch.hpp>
#include <fstream>

#include "agent/spiffe/x509_svid.h"
#include "deploy/devserver/ca/authorities.h"
#include "deploy/devserver/server/server_svid.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/unit/deploy/devserver/manual_clock.h"

using namespace steeple;
using namespace steeple::devserver;
using std::chrono::seconds;

namespace {

constexpr seconds kTtl = std::chrono::hours(24);

struct World {
  TemporaryFolder folder;
  ManualClock clock;
  std::unique_ptr<Datastore> datastore;
  std::unique_ptr<Authorities> authorities;
  agent::TrustDomain trust_domain = *agent::TrustDomain::parse("example.org");

  explicit World(bool keys_on_disk = true) : on_disk(keys_on_disk) { start(); }
  void start() {
    authorities.reset();
    datastore.reset();
    datastore = std::move(*Datastore::open(folder.path("db")));
    auto keys = KeyStore::open(on_disk ? folder.path("keys.json") : "");
    REQUIRE(keys);
    auto opened = Authorities::open(*datastore, std::move(*keys), clock, trust_domain, kTtl, runtime::Logger());
    INFO((opened ? std::string() : opened.error().message()));
    REQUIRE(opened);
    authorities = std::move(*opened);
  }
  std::string active() const { return authorities->newest(AuthorityKind::kX509, AuthorityStatus::kActive)->id; }
  int count(AuthorityKind kind) const {
    int number = 0;
    for (const auto& authority : authorities->all()) number += authority.kind == kind;
    return number;
  }
  bool on_disk;
};

std::string message(const runtime::Result<AuthorityRecord>& result) { return result ? "" : result.error().message(); }

}  // namespace

TEST_CASE("A new server has one X.509 authority and one JWT key, and finds them again after a restart") {
  World world;
  CHECK(world.count(AuthorityKind::kX509) == 1);
  CHECK(world.count(AuthorityKind::kJwt) == 1);
  std::string id = world.active();
  std::string kid = world.authorities->jwt().key_id;
  std::uint64_t sequence = world.authorities->sequence_number();
  CHECK(sequence > 0);
  CHECK(kid.size() == 32);
  world.start();
  CHECK(world.active() == id);
  CHECK(world.authorities->jwt().key_id == kid);
  CHECK(world.authorities->sequence_number() == sequence);
}

TEST_CASE("Keys in memory are made anew at a restart; the old authority stays in the bundle") {
  World world(false);
  std::string before = world.active();
  world.start();
  CHECK(world.active() != before);
  CHECK(world.count(AuthorityKind::kX509) == 2);
  CHECK(world.authorities->newest(AuthorityKind::kX509, AuthorityStatus::kOld)->id == before);
}

TEST_CASE("A keys file that cannot be read stops the server and is left alone") {
  World world;
  std::ofstream(world.folder.path("keys.json")) << "{";
  auto keys = KeyStore::open(world.folder.path("keys.json"));
  CHECK_FALSE(keys);
  std::string text;
  std::ifstream(world.folder.path("keys.json")) >> text;
  CHECK(text == "{");
}

TEST_CASE("Authorities follow each other in time: prepared at half of the life, active at the last sixth") {
  World world;
  std::string first = world.active();
  world.clock.advance(kTtl / 2 - seconds(1));
  REQUIRE(world.authorities->maintain());
  CHECK(world.count(AuthorityKind::kX509) == 1);
  world.clock.advance(seconds(1));
  REQUIRE(world.authorities->maintain());
  CHECK(world.count(AuthorityKind::kX509) == 2);
  CHECK(world.count(AuthorityKind::kJwt) == 2);
  CHECK(world.active() == first);
  std::string second = world.authorities->newest(AuthorityKind::kX509, AuthorityStatus::kPrepared)->id;
  world.clock.advance(kTtl / 3);
  REQUIRE(world.authorities->maintain());
  CHECK(world.active() == second);
  CHECK(world.count(AuthorityKind::kX509) == 2);
  world.clock.advance(kTtl / 6 + kPruneAfterExpiry + seconds(1));
  REQUIRE(world.authorities->maintain());
  for (const auto& authority : world.authorities->all()) CHECK(authority.id != first);
}

TEST_CASE("A server that slept through the life of its authority gets a new one at once") {
  World world;
  std::string first = world.active();
  world.clock.advance(kTtl + seconds(1));
  world.start();
  CHECK(world.active() != first);
}

TEST_CASE("Authorities are prepared, activated, tainted and revoked by hand, each with a new sequence number") {
  World world;
  std::string first = world.active();
  std::uint64_t sequence = world.authorities->sequence_number();
  CHECK(message(world.authorities->taint(AuthorityKind::kX509, first)) == "unable to taint current local authority");
  CHECK(message(world.authorities->activate(AuthorityKind::kX509, "")) == "no authority ID provided");
  CHECK(message(world.authorities->activate(AuthorityKind::kX509, first)) == "unexpected authority ID");
  CHECK(message(world.authorities->revoke(AuthorityKind::kX509, first)) ==
        "invalid authority ID: unable to use current authority");

  auto prepared = world.authorities->prepare(AuthorityKind::kX509);
  REQUIRE(prepared);
  CHECK(world.authorities->sequence_number() > sequence);
  CHECK(world.active() == first);
  CHECK(message(world.authorities->taint(AuthorityKind::kX509, prepared->id)) ==
        "only Old local authorities can be tainted");
  REQUIRE(world.authorities->activate(AuthorityKind::kX509, prepared->id));
  CHECK(world.active() == prepared->id);
  CHECK(runtime::Bytes(world.authorities->x509().certificate.der().begin(),
                       world.authorities->x509().certificate.der().end()) == prepared->material);

  CHECK(message(world.authorities->revoke(AuthorityKind::kX509, first)) ==
        "it is not possible to revoke an untainted root CA");
  REQUIRE(world.authorities->taint(AuthorityKind::kX509, first));
  CHECK(message(world.authorities->taint(AuthorityKind::kX509, first)) == "root CA is already tainted");
  CHECK(world.count(AuthorityKind::kX509) == 2);
  REQUIRE(world.authorities->revoke(AuthorityKind::kX509, first));
  CHECK(world.count(AuthorityKind::kX509) == 1);
  CHECK(message(world.authorities->revoke(AuthorityKind::kX509, first)) ==
        "invalid authority ID: only Old local authority can be revoked");
}

TEST_CASE("The server's SVID stays with its authority until that is tainted") {
  World world;
  auto svid = ServerSvid::make(*world.authorities, world.clock, world.trust_domain, seconds(3600));
  REQUIRE(svid);
  std::string first = world.active();
  auto next = world.authorities->prepare(AuthorityKind::kX509);
  REQUIRE(next);
  REQUIRE(world.authorities->activate(AuthorityKind::kX509, next->id));
  CHECK_FALSE((*svid)->due());
  REQUIRE(world.authorities->taint(AuthorityKind::kX509, first));
  CHECK((*svid)->due());
  REQUIRE((*svid)->renew());
  CHECK_FALSE((*svid)->due());
  world.clock.advance(seconds(1800));
  CHECK((*svid)->due());
  CHECK(agent::spiffe_id_of((*svid)->certificate())->text() == "spiffe://example.org/spire/server");
}

TEST_CASE("Clients present an SVID of this trust domain's authorities, or nothing") {
  World world;
  World other;
  auto key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
  auto issue = [&](World& by, const std::string& id) {
    SvidRequest request{id, key.public_key(), seconds(60), {}};
    auto svid = sign_svid(by.authorities->x509(), request, by.clock.wall_now());
    return std::vector<runtime::Bytes>{runtime::to_bytes(svid->der())};
  };
  auto verify = [&](const std::vector<runtime::Bytes>& chain) {
    return verify_client(*world.authorities, world.trust_domain, chain, world.clock.wall_now());
  };
  CHECK(verify({}));
  CHECK(verify(issue(world, "spiffe://example.org/spire/agent/x")));
  CHECK_FALSE(verify(issue(world, "spiffe://other.test/spire/agent/x")));
  CHECK_FALSE(verify(issue(other, "spiffe://example.org/spire/agent/x")));
  auto truncated = issue(world, "spiffe://example.org/spire/agent/x");
  truncated[0].pop_back();
  CHECK_FALSE(verify(truncated));
  auto chain = issue(world, "spiffe://example.org/spire/agent/x");
  world.clock.advance(seconds(61));
  CHECK_FALSE(verify(chain));
}

TEST_CASE("A JWT key goes through its life by hand as an X.509 authority does") {
  World world;
  auto kid = [&] { return world.authorities->jwt().key_id; };
  auto& authorities = *world.authorities;
  std::string first = kid();
  CHECK(message(authorities.taint(AuthorityKind::kJwt, first)) == "unable to taint current local authority");
  CHECK(message(authorities.activate(AuthorityKind::kJwt, "")) == "no authority ID provided");
  CHECK(message(authorities.activate(AuthorityKind::kJwt, world.active())) == "unexpected authority ID");
  CHECK(message(authorities.revoke(AuthorityKind::kJwt, first)) ==
        "invalid authority ID: unable to use current authority");
  auto prepared = authorities.prepare(AuthorityKind::kJwt);
  REQUIRE(prepared);
  CHECK(kid() == first);
  CHECK(message(authorities.revoke(AuthorityKind::kJwt, prepared->id)) ==
        "invalid authority ID: unable to use a prepared key");
  REQUIRE(authorities.activate(AuthorityKind::kJwt, prepared->id));
  CHECK(kid() == prepared->id);
  CHECK(message(authorities.revoke(AuthorityKind::kJwt, first)) == "it is not possible to revoke an untainted key");
  std::uint64_t sequence = authorities.sequence_number();
  REQUIRE(authorities.taint(AuthorityKind::kJwt, first));
  CHECK(authorities.sequence_number() > sequence);
  CHECK(message(authorities.taint(AuthorityKind::kJwt, first)) == "key is already tainted");
  REQUIRE(authorities.revoke(AuthorityKind::kJwt, first));
  CHECK(world.count(AuthorityKind::kJwt) == 1);
  CHECK(message(authorities.revoke(AuthorityKind::kJwt, first)) ==
        "invalid authority ID: no JWT authority found with provided authority ID");
  world.start();
  CHECK(kid() == prepared->id);
}
