// Rotation, eviction, ban and tainting, in the words recorded from SPIRE agent 1.15.3 (tests/data/node-logs), from the
// first line after the start on.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/unit/agent/node/node_world.h"

namespace steeple::agent {

namespace {

using Lines = std::vector<std::string>;

// The recorded lines of the running agent, those of the syncer left out.
Lines recording(const std::string& name) {
  std::ifstream file(std::string(STEEPLE_TEST_DATA) + "/node-logs/" + name + ".log");
  REQUIRE(file);
  Lines lines;
  for (std::string line; std::getline(file, line);) {
    if (line.find("subsystem_name=manager") != std::string::npos) lines.push_back(line);
  }
  REQUIRE_FALSE(lines.empty());
  return lines;
}

Lines running(const NodeRun& run) {
  Lines lines;
  for (const std::string& line : run.lines()) {
    if (line.find("subsystem_name=manager") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

Lines without_stop(Lines lines) {
  std::erase_if(lines, [](const std::string& line) { return line.find("Stopping SVID rotator") != std::string::npos; });
  return lines;
}

void use_join_token(NodeWorld& world) {
  world.attestor.kind = "join_token";
  world.server.agent_path = "/spire/agent/join_token/11111111-2222-4333-8444-555555555555";
  world.server.reattestable = false;
}

runtime::grpc::Status sync_denial(DenialReason reason) {
  return denial("authorization denied for method /spire.api.server.entry.v1.Entry/SyncAuthorizedEntries", reason);
}

using Details = spire::api::types::PermissionDeniedDetails;

}  // namespace

TEST_CASE("Rotation by RenewAgent is logged as recorded") {
  NodeWorld world;
  use_join_token(world);
  world.server.ttl = std::chrono::seconds(60);
  world.pauses_max = 9;
  NodeRun run(world);
  REQUIRE(run.establish());
  REQUIRE(run.rotate());
  CHECK(without_stop(running(run)) == recording("rotation-join-token-agent-ttl-60s"));
  CHECK(world.server.renewals == 1);
}

TEST_CASE("Rotation by re-attestation is logged as recorded") {
  NodeWorld world;
  world.server.ttl = std::chrono::seconds(60);
  world.pauses_max = 9;
  NodeRun run(world);
  REQUIRE(run.establish());
  REQUIRE(run.rotate());
  CHECK(without_stop(running(run)) == recording("rotation-x509pop-agent-ttl-60s"));
  CHECK(world.server.attestations == 2);
}

TEST_CASE("Tainting of the agent SVID is logged as recorded and rotates it") {
  NodeWorld world;
  world.pauses_max = 2;
  NodeRun run(world);
  REQUIRE(run.establish());
  runtime::Certificates old = world.server.authorities;
  world.server.rotate_authority();
  run.identity.note_tainted(old);
  REQUIRE(run.rotate());
  CHECK(without_stop(running(run)) == recording("authority-rotation-and-tainting"));
}

TEST_CASE("Eviction of a re-attestable agent is logged as recorded and survived") {
  NodeWorld world;
  NodeRun run(world);
  REQUIRE(run.establish());
  REQUIRE(run.recover(sync_denial(Details::AGENT_NOT_ATTESTED), SyncPhase::kRunning));
  CHECK(running(run) == without_stop(recording("evict-x509pop")));
  CHECK(run.client.channels_dropped == 1);
  CHECK(run.on_disk().svid == run.identity.svid()->chain());
}

TEST_CASE("Eviction of an agent with a join token is logged as recorded and ends it") {
  NodeWorld world;
  use_join_token(world);
  NodeRun run(world);
  REQUIRE(run.establish());
  auto ended = run.recover(sync_denial(Details::AGENT_NOT_ATTESTED), SyncPhase::kRunning);
  CHECK(ended.error().message() ==
        "failed to fetch authorized entries: rpc error: code = PermissionDenied desc = authorization denied for method "
        "/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries");
  CHECK(running(run) == without_stop(recording("evict-join-token")));
  CHECK(run.on_disk().svid.empty());
  CHECK_FALSE(run.on_disk().bundle.empty());
}

TEST_CASE("A ban is logged as recorded, drops the SVID and ends the agent") {
  NodeWorld world;
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK_FALSE(run.recover(sync_denial(Details::AGENT_BANNED), SyncPhase::kRunning));
  CHECK(running(run) == without_stop(recording("ban-x509pop")));
  CHECK(run.on_disk().svid.empty());
  CHECK_FALSE(run.on_disk().reattestable);
}

TEST_CASE("A superseded SVID that cannot attest again ends the first sync in the recorded words") {
  NodeWorld world;
  use_join_token(world);
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK_FALSE(run.recover(sync_denial(Details::AGENT_NOT_ACTIVE), SyncPhase::kFirstSync));
  CHECK(running(run).back() ==
        "level=error msg=\"Agent needs to re-attest: removing SVID and shutting down\" error=\"failed to fetch "
        "authorized "
        "entries: rpc error: code = PermissionDenied desc = authorization denied for method "
        "/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries\" subsystem_name=manager");
  CHECK(run.on_disk().svid.empty());
}

}  // namespace steeple::agent
