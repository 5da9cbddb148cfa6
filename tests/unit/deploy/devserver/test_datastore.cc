#include <sqlite3.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "deploy/devserver/datastore/stores.h"
#include "spire/api/types/bundle.pb.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/unit/deploy/devserver/entries.h"

using namespace steeple;
using namespace steeple::devserver;

namespace {

std::unique_ptr<Datastore> open(const std::string& path) {
  auto store = Datastore::open(path);
  INFO((store ? std::string() : store.error().message()));
  REQUIRE(store);
  return std::move(*store);
}

AgentRecord make_agent() {
  AgentRecord agent;
  agent.spiffe_id = "spiffe://example.org/spire/agent/join_token/t";
  agent.attestation_type = "join_token";
  agent.serial = "123456789012345678901234567890";
  agent.expires_at = 77;
  agent.pending_serial = "5";
  agent.pending_expires_at = 88;
  agent.can_reattest = true;
  agent.version = "1.15.3";
  agent.selectors =
      attestation::Selectors({attestation::Selector("x509pop", "a"), attestation::Selector("x509pop", "b")});
  return agent;
}

}  // namespace

TEST_CASE("Datastore gives back after a restart what was written") {
  TemporaryFolder folder;
  auto entry = make_entry("one", "/agent", "/one", "uid:1");
  entry.set_hint("h");
  auto bundle = std::make_shared<spire::api::types::Bundle>();
  bundle->set_trust_domain("partner.test");
  bundle->add_x509_authorities()->set_asn1("der");
  AuthorityRecord authority{AuthorityKind::kJwt, "kid", AuthorityStatus::kActive, true, 1, 2, {1, 0, 255}};
  {
    auto store = open(folder.path("db"));
    REQUIRE(store->write([&]() -> runtime::Result<void> {
      STEEPLE_CHECK(store->entries().put(share(entry)));
      STEEPLE_CHECK(store->agents().put(make_agent()));
      STEEPLE_CHECK(store->join_tokens().add("token", 99));
      STEEPLE_CHECK(store->bundles().put(bundle));
      STEEPLE_CHECK(store->authorities().add(authority));
      return store->authorities().bump_sequence_number();
    }));
  }
  auto store = open(folder.path("db"));
  REQUIRE(store->entries().index().find("one"));
  CHECK(store->entries().index().find("one")->SerializeAsString() == entry.SerializeAsString());
  const AgentRecord* agent = store->agents().find(make_agent().spiffe_id);
  REQUIRE(agent);
  CHECK(agent->serial == make_agent().serial);
  CHECK(agent->pending_serial == "5");
  CHECK(agent->pending_expires_at == 88);
  CHECK(agent->can_reattest);
  CHECK(agent->selectors == make_agent().selectors);
  REQUIRE(store->bundles().find("partner.test"));
  CHECK(store->bundles().find("partner.test")->x509_authorities(0).asn1() == "der");
  REQUIRE(store->authorities().all().size() == 1);
  CHECK(store->authorities().all()[0].material == authority.material);
  CHECK(store->authorities().all()[0].tainted);
  CHECK(store->authorities().sequence_number() == 1);
  std::optional<std::int64_t> expiry;
  REQUIRE(store->write([&]() -> runtime::Result<void> {
    STEEPLE_TRY(taken, store->join_tokens().take("token"));
    expiry = taken;
    STEEPLE_TRY(again, store->join_tokens().take("token"));
    CHECK_FALSE(again);
    return {};
  }));
  CHECK(expiry == 99);
}

TEST_CASE("Datastore keeps nothing of a change that failed, on disk or in memory") {
  TemporaryFolder folder;
  auto store = open(folder.path("db"));
  REQUIRE(store->write([&] { return store->entries().put(share(make_entry("kept", "/a", "/kept", "uid:1"))); }));
  auto failed = store->write([&]() -> runtime::Result<void> {
    STEEPLE_CHECK(store->entries().put(share(make_entry("lost", "/a", "/lost", "uid:1"))));
    STEEPLE_CHECK(store->entries().erase("kept"));
    STEEPLE_CHECK(store->authorities().bump_sequence_number());
    return runtime::Error(runtime::ErrorCode::kInternal, "no");
  });
  CHECK_FALSE(failed);
  CHECK(store->entries().index().find("kept"));
  CHECK_FALSE(store->entries().index().find("lost"));
  CHECK(store->authorities().sequence_number() == 0);
  store.reset();
  store = open(folder.path("db"));
  CHECK(store->entries().index().size() == 1);
}

TEST_CASE("Datastore refuses the file of another program and leaves it as it is") {
  TemporaryFolder folder;
  std::string path = folder.path("other.sqlite3");
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "CREATE TABLE registered_entries (id INTEGER)", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  auto refused = Datastore::open(path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().find("not a datastore of steeple-devserver") != std::string::npos);
}

TEST_CASE("Datastore refuses a file that is no database, and a later schema") {
  TemporaryFolder folder;
  std::ofstream(folder.path("text")) << std::string(4096, 'x');
  CHECK_FALSE(Datastore::open(folder.path("text")));

  open(folder.path("db")).reset();
  sqlite3* later = nullptr;
  REQUIRE(sqlite3_open(folder.path("db").c_str(), &later) == SQLITE_OK);
  REQUIRE(sqlite3_exec(later, "PRAGMA user_version=3", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(later);
  auto refused = Datastore::open(folder.path("db"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().find("schema version 3") != std::string::npos);
}

TEST_CASE("Datastore belongs to one server, and to its user alone") {
  TemporaryFolder folder;
  auto store = open(folder.path("db"));
  CHECK_FALSE(Datastore::open(folder.path("db")));
  struct stat about{};
  REQUIRE(stat(folder.path("db").c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
}
