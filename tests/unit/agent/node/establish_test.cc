#include <catch2/catch.hpp>

#include "tests/unit/agent/node/node_world.h"

namespace steeple::agent {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""h;
using runtime::Error;
using runtime::ErrorCode;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

TEST_CASE("A start gives SVID and bundle, in memory and on disk") {
  NodeWorld world;
  world.server.challenges = 2;
  NodeRun run(world);
  CHECK_FALSE(run.identity.identity_provider()());
  REQUIRE(run.establish());
  CHECK(run.identity.svid()->id().text() == "spiffe://example.org" + world.server.agent_path);
  CHECK(run.identity.svid()->reattestable());
  CHECK(run.identity.bundle()->certificates() == world.server.authorities);
  CHECK(run.identity.bundle()->sequence_number() == 1);
  CHECK(world.server.payload_seen == "proof");
  CHECK(world.server.answers_seen == std::vector<std::string>{"answer to challenge 0", "answer to challenge 1"});
  AgentData stored = run.on_disk();
  CHECK(stored.svid == run.identity.svid()->chain());
  CHECK(stored.bundle == world.server.authorities);
  CHECK(stored.reattestable);
  CHECK(stored.bootstrap.use == BootstrapUse::kRebootstrap);
  CHECK_FALSE(stored.bootstrap.start_time);
  auto shown = run.identity.identity_provider()();
  REQUIRE(shown);
  CHECK(shown->key.public_key() == run.identity.svid()->key().key.public_key());
  CHECK(world.trusts == std::vector<ServerTrust>{world.server.authorities});
}

TEST_CASE("A stored SVID needs neither server nor configured bundle") {
  NodeWorld world;
  REQUIRE(NodeRun(world).establish());
  world.source.next = Error(ErrorCode::kNotFound, "gone");
  world.server.connect_failures.assign(1, Error(ErrorCode::kUnavailable, "away"));
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(world.source.reads == 1);
  CHECK(world.trusts.size() == 1);
  CHECK(run.identity.authorities_provider()() == world.server.authorities);
}

TEST_CASE("The SVID is on disk before GetBundle, which may fail") {
  NodeWorld world;
  world.server.bundle_refusals.assign(kBundleAttempts, Status(StatusCode::kUnavailable, "going down"));
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(world.server.attestations == 1);
  CHECK(world.server.bundles_fetched == kBundleAttempts);
  CHECK(run.identity.bundle()->certificates() == world.server.authorities);
  CHECK(run.logged("Could not get the updated bundle"));
}

TEST_CASE("An insecure start without GetBundle keeps the SVID and asks again for the bundle only") {
  NodeWorld world;
  world.source.next = ServerTrust();
  world.server.bundle_refusals.assign(2 * kBundleAttempts, Status(StatusCode::kUnavailable, "going down"));
  {
    NodeRun killed(world);
    world.pauses_max = 3;  // during the wait for the second attempt
    CHECK_FALSE(killed.establish());
    CHECK_FALSE(killed.on_disk().svid.empty());
  }
  NodeWorld& same = world;
  same.pauses_max = 100;
  runtime::Loop loop;
  NodeRun run(same);
  auto again = runtime::run_until_done(run.loop, run.identity.establish(runtime::StopToken()));
  REQUIRE(again);
  CHECK(world.server.attestations == 1);
  CHECK(run.identity.bundle()->certificates() == world.server.authorities);
  CHECK(run.logged("SVID loaded"));
}

TEST_CASE("A server that answers nonsense is refused with the reason, and asked again") {
  NodeWorld world;
  SECTION("wrong key") {
    world.server.signs_another_key = true;
    world.on_pause = [&] { world.server.signs_another_key = false; };
  }
  SECTION("no agent") {
    world.server.agent_path = "/workload/one";
    world.on_pause = [&] { world.server.agent_path = "/spire/agent/x509pop/a"; };
  }
  SECTION("expired") {
    world.server.ttl = -1s;
    world.on_pause = [&] { world.server.ttl = 3600s; };
  }
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(world.pauses.size() == 1);
  CHECK(run.logged("Failed to retrieve attestation result\" error=\"failed to parse attestation response: "));
}

TEST_CASE("An expired SVID is replaced, its key left alone until then") {
  NodeWorld world;
  REQUIRE(NodeRun(world).establish());
  world.clock.advance_wall(3600s - kSvidExpirySkew);
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(run.logged("SVID key recovered, but SVID is expired. Generating new keypair\" expiry="));
  CHECK(world.server.attestations == 2);
  CHECK(run.identity.svid()->key().id == "agent-svid-B");
}

TEST_CASE("An SVID of another trust domain is not used") {
  NodeWorld world;
  REQUIRE(NodeRun(world).establish());
  world.options.trust_domain = TrustDomain::parse("other.org").value();
  world.pauses_max = 1;
  NodeRun run(world);
  CHECK_FALSE(run.establish());
  CHECK(run.logged("Could not get agent SVID from path"));
  CHECK(run.on_disk().svid.size() == 1);  // and nothing is thrown away for it
}

TEST_CASE("Only a denial ends the start") {
  NodeWorld world;
  world.server.attest_refusals = {Status(StatusCode::kInternal, "broken"), Status(StatusCode::kFailedPrecondition, "x"),
                                  Status(StatusCode::kPermissionDenied, "no")};
  NodeRun run(world);
  auto ended = run.establish();
  CHECK(ended.error().message() ==
        "failed to receive attestation response: rpc error: code = PermissionDenied desc = no");
  CHECK(world.pauses == std::vector<std::chrono::nanoseconds>{5s, 7500ms});
}

TEST_CASE("Attempts to bootstrap are counted on disk") {
  NodeWorld world;
  world.source.announces = true;
  world.source.next = Error(ErrorCode::kUnavailable, "error downloading trust bundle: 503 Service Unavailable");
  world.pauses_max = 3;
  NodeRun run(world);
  CHECK_FALSE(run.establish());
  CHECK(run.logged("Server attestation attempt 3. Started "));
  CHECK(run.on_disk().bootstrap.connection_attempts == 3);
  CHECK(run.on_disk().bootstrap.start_time);
}

TEST_CASE("A disk that takes nothing is told once, and written when it does again") {
  NodeWorld world;
  world.memory_keys = true;
  NodeRun run(world);
  std::filesystem::remove_all(world.directory.path);
  REQUIRE(run.establish());
  CHECK(run.logged("Could not store"));
  std::size_t told = run.lines().size();
  run.identity.note_sync_success();
  CHECK(run.lines().size() == told);
  std::filesystem::create_directories(world.directory.path);
  world.pauses_max = 1;
  REQUIRE(run.rotate());
  CHECK(run.on_disk().svid == run.identity.svid()->chain());
}

TEST_CASE("Rebootstrapping is refused or switched off where nothing can attest again") {
  NodeWorld world;
  world.server.reattestable = false;
  world.options.rebootstrap_mode = RebootstrapMode::kAuto;
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(run.logged("is not allowing it. Disabling"));
  world.options.rebootstrap_mode = RebootstrapMode::kAlways;
  NodeRun strict(world);
  CHECK(strict.establish().error().message() == kRebootstrapNotAllowed);
  CHECK(world.server.attestations == 1);
}

TEST_CASE("With rebootstrap a start reads the sources again once the delay is over") {
  NodeWorld world;
  world.options.rebootstrap_mode = RebootstrapMode::kAlways;
  world.options.rebootstrap_delay = 20s;
  REQUIRE(NodeRun(world).establish());
  world.clock.advance_wall(2h);  // the SVID is over, the server has another authority
  world.server.connect_failures.assign(4,
                                       Error(ErrorCode::kUntrusted, "x509: certificate signed by unknown authority"));
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(run.logged("Trust Bundle and Server don't agree, ignoring for now\" time_left="));
  CHECK(run.logged("Trust Bundle and Server don't agree, rebootstrapping"));
  CHECK(world.source.reads == 2);
}

}  // namespace steeple::agent
