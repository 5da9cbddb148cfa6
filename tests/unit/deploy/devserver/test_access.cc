#include <catch2/catch.hpp>

#include "deploy/devserver/access.h"
#include "google/rpc/status.pb.h"
#include "spire/api/types/status.pb.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/unit/deploy/devserver/entries.h"
#include "tests/unit/deploy/devserver/manual_clock.h"

using namespace steeple;
using namespace steeple::devserver;
using runtime::grpc::StatusCode;
using Details = spire::api::types::PermissionDeniedDetails;

namespace {

const std::string kAgentId = "spiffe://example.org/spire/agent/join_token/t";
const std::string kMethod = "/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries";

struct World {
  TemporaryFolder folder;
  ManualClock clock;
  std::unique_ptr<Datastore> datastore = std::move(*Datastore::open(folder.path("db")));
  Access access{*datastore, clock};

  std::int64_t now() const {
    return std::chrono::duration_cast<std::chrono::seconds>(clock.wall_now().time_since_epoch()).count();
  }
  void put(const std::string& serial, const std::string& pending = "") {
    AgentRecord agent;
    agent.spiffe_id = kAgentId;
    agent.serial = serial;
    agent.pending_serial = pending;
    REQUIRE(datastore->write([&] { return datastore->agents().put(agent); }));
  }
  Caller agent(const std::string& serial) const { return {false, kAgentId, serial, now() + 60}; }
};

int reason_of(const runtime::grpc::Status& status) {
  CHECK(status.code() == StatusCode::kPermissionDenied);
  CHECK(status.message() == "authorization denied for method " + kMethod);
  if (status.details().empty()) return -1;
  google::rpc::Status wire;
  REQUIRE(wire.ParseFromString(status.details()));
  CHECK(wire.code() == 7);
  CHECK(wire.message() == status.message());
  REQUIRE(wire.details_size() == 1);
  CHECK(wire.details(0).type_url() == "type.googleapis.com/spire.api.types.PermissionDeniedDetails");
  Details details;
  REQUIRE(details.ParseFromString(wire.details(0).value()));
  return details.reason();
}

}  // namespace

TEST_CASE("An agent is told why it is refused") {
  World world;
  auto decide = [&](const Caller& caller) { return world.access.decide(caller, kAgent, kMethod); };
  CHECK(reason_of(decide(world.agent("1"))) == Details::AGENT_NOT_ATTESTED);
  world.put("1");
  CHECK(decide(world.agent("1")).is_ok());
  CHECK(reason_of(decide(world.agent("2"))) == Details::AGENT_NOT_ACTIVE);
  Caller expired = world.agent("1");
  expired.not_after = world.now() - 1;
  CHECK(reason_of(decide(expired)) == Details::AGENT_EXPIRED);
  world.put("");
  CHECK(reason_of(decide(world.agent("1"))) == Details::AGENT_BANNED);
}

TEST_CASE("The first call with a renewed SVID makes it current; the old one is then not active") {
  World world;
  world.put("1", "2");
  CHECK(world.access.decide(world.agent("1"), kAgent, kMethod).is_ok());
  CHECK(world.datastore->agents().find(kAgentId)->pending_serial == "2");
  CHECK(world.access.decide(world.agent("2"), kAgent, kMethod).is_ok());
  CHECK(world.datastore->agents().find(kAgentId)->serial == "2");
  CHECK(world.datastore->agents().find(kAgentId)->pending_serial.empty());
  CHECK(reason_of(world.access.decide(world.agent("1"), kAgent, kMethod)) == Details::AGENT_NOT_ACTIVE);
}

TEST_CASE("Local callers, administrators and strangers get what is theirs") {
  World world;
  Caller local{true, "", "", 0};
  Caller stranger;
  CHECK(world.access.decide(local, kLocal | kAdmin, kMethod).is_ok());
  CHECK(reason_of(world.access.decide(local, kAgent, kMethod)) == -1);
  CHECK(reason_of(world.access.decide(stranger, kLocal | kAdmin, kMethod)) == -1);
  CHECK(reason_of(world.access.decide(stranger, kAgent, kMethod)) == -1);
  CHECK(world.access.decide(stranger, kAnyone, kMethod).is_ok());

  Caller admin{false, "spiffe://example.org/admin", "1", world.now() + 60};
  CHECK(reason_of(world.access.decide(admin, kLocal | kAdmin, kMethod)) == -1);
  auto entry = make_entry("a", "/agent", "/admin", "uid:0");
  entry.set_admin(true);
  REQUIRE(world.datastore->write([&] { return world.datastore->entries().put(share(entry)); }));
  CHECK(world.access.decide(admin, kLocal | kAdmin, kMethod).is_ok());
  admin.not_after = world.now() - 1;
  CHECK_FALSE(world.access.decide(admin, kLocal | kAdmin, kMethod).is_ok());
}
