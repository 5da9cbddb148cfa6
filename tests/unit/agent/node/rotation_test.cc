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
using Details = spire::api::types::PermissionDeniedDetails;

namespace {

Status renewal_denial(DenialReason reason) { return denial("agent must reattest instead of renew", reason); }

std::chrono::nanoseconds sum(const std::vector<std::chrono::nanoseconds>& waits) {
  std::chrono::nanoseconds all{0};
  for (std::chrono::nanoseconds wait : waits) all += wait;
  return all;
}

}  // namespace

TEST_CASE("The agent SVID is rotated at half of its life, its keys alternate, and each is on disk") {
  for (bool reattestable : {false, true}) {
    NodeWorld world;
    world.server.reattestable = reattestable;
    world.server.ttl = 600s;
    world.pauses_max = 200;  // a thousand seconds
    NodeRun run(world);
    REQUIRE(run.establish());
    REQUIRE(run.rotate());
    CHECK(sum(world.pauses) == 1000s);
    CHECK(run.identity.rotations() == 4);
    CHECK((reattestable ? world.server.attestations - 1 : world.server.renewals) == 3);
    CHECK(run.client.channels_dropped == 3);
    CHECK(run.identity.svid()->key().id == "agent-svid-B");
    CHECK(run.identity.svid()->reattestable() == reattestable);
    CHECK(run.on_disk().svid == run.identity.svid()->chain());
    NodeRun restarted(world);
    runtime::StopSource open;
    REQUIRE(runtime::run_until_done(restarted.loop, restarted.identity.establish(open.token())));
    CHECK(restarted.identity.svid()->chain() == run.identity.svid()->chain());
  }
}

TEST_CASE("A failed rotation keeps the SVID, backs off and goes on") {
  NodeWorld world;
  world.server.reattestable = false;
  NodeRun run(world);
  REQUIRE(run.establish());
  SharedAgentSvid good = run.identity.svid();
  world.clock.advance_wall(1900s);
  SECTION("the server refuses") { world.server.renew_refusals.assign(100, Status(StatusCode::kInternal, "no CA")); }
  SECTION("the server signs another key") { world.server.signs_another_key = true; }
  SECTION("the server names another agent") { world.server.agent_path += "0"; }
  SECTION("the server sends what is over") { world.server.ttl = -1s; }
  world.pauses_max = 4;
  REQUIRE(run.rotate());
  CHECK(run.identity.svid() == good);
  CHECK(run.on_disk().svid == good->chain());
  CHECK(run.logged("Could not rotate agent SVID\" error=\"failed to renew agent: "));
  CHECK(world.pauses == std::vector<std::chrono::nanoseconds>{5s, 7500ms, 11250ms, 16875ms});
}

TEST_CASE("An expired agent SVID is tried again for ever while the server is away") {
  NodeWorld world;
  NodeRun run(world);
  REQUIRE(run.establish());
  world.server.connect_failures.assign(1000, Error(ErrorCode::kUnavailable, "connection refused"));
  world.clock.advance_wall(2h);
  world.pauses_max = 1100;
  world.on_pause = [&] {
    if (world.server.attestations == 2) world.stop.request_stop(runtime::StopReason::kShutdown);
  };
  REQUIRE(run.rotate());
  CHECK(world.server.attestations == 2);
  CHECK_FALSE(run.identity.svid()->expired(world.clock.wall_now()));
  CHECK(*std::max_element(world.pauses.begin(), world.pauses.end()) <= 6s);
  CHECK(run.logged("Could not reattest agent"));
}

TEST_CASE("A server that wants re-attestation instead of renewal gets it") {
  NodeWorld world;
  world.server.reattestable = false;
  NodeRun run(world);
  REQUIRE(run.establish());
  world.clock.advance_wall(1900s);
  world.server.reattestable = true;
  world.server.renew_refusals = {renewal_denial(Details::AGENT_MUST_REATTEST)};
  world.pauses_max = 1;
  REQUIRE(run.rotate());
  CHECK(world.server.attestations == 2);
  CHECK(run.identity.svid()->reattestable());
}

TEST_CASE("A rotation that the server denies by name is handed to recovery") {
  for (DenialReason reason : {Details::AGENT_NOT_ATTESTED, Details::AGENT_BANNED}) {
    NodeWorld world;
    world.server.reattestable = false;
    NodeRun run(world);
    REQUIRE(run.establish());
    world.clock.advance_wall(1900s);
    world.server.renew_refusals = {renewal_denial(reason)};
    auto ended = run.rotate();
    REQUIRE_FALSE(ended);
    bool banned = reason == Details::AGENT_BANNED;
    CHECK(ended.error().error_class() == (banned ? ServerErrorClass::kBanned : ServerErrorClass::kReattest));
    CHECK(world.server.attestations == 1);
    CHECK_FALSE(run.on_disk().svid.empty());
  }
}

TEST_CASE("Attestations, renewals and the bootstrap are told of, with how they ended") {
  NodeWorld world;
  world.server.reattestable = false;
  std::vector<std::string> told;
  NodeIdentityEvents& events = world.options.events;
  events.bootstrap_changed = [&](const BootstrapState& state) {
    told.push_back(fmt::format("bootstrap {} attempts={} running={}", static_cast<int>(state.use),
                               state.connection_attempts, state.start_time.has_value()));
  };
  events.attested = [&](std::string_view attestor, std::string_view status, std::chrono::nanoseconds) {
    told.push_back(fmt::format("{} {}", attestor, status));
  };
  events.reattested = [&](std::string_view status, std::chrono::nanoseconds) {
    told.push_back(fmt::format("reattested {}", status));
  };
  events.renewed = [&](std::string_view status, std::chrono::nanoseconds) {
    told.push_back(fmt::format("renewed {}", status));
  };
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(told == std::vector<std::string>{"bootstrap 1 attempts=0 running=false", "bootstrap 1 attempts=1 running=true",
                                         std::string(world.attestor.name()) + " OK",
                                         "bootstrap 2 attempts=0 running=false"});
  told.clear();
  world.clock.advance_wall(1900s);
  world.server.reattestable = true;
  world.server.renew_refusals = {renewal_denial(Details::AGENT_MUST_REATTEST)};
  world.pauses_max = 1;
  REQUIRE(run.rotate());
  CHECK(told == std::vector<std::string>{"renewed PermissionDenied", "reattested OK"});
}

TEST_CASE("Only authorities that signed the agent SVID taint it") {
  NodeWorld world;
  NodeRun run(world);
  run.identity.note_tainted(world.server.authorities);  // before there is an SVID: nothing to do
  REQUIRE(run.establish());
  runtime::Certificates old = world.server.authorities;
  world.server.rotate_authority();
  world.pauses_max = 2;
  run.identity.note_tainted({world.server.authorities.back()});
  REQUIRE(run.rotate());
  CHECK(world.server.attestations == 1);
  run.identity.note_tainted(old);
  run.identity.note_tainted(old);
  CHECK(run.logged("Agent SVID already tainted"));
}

TEST_CASE("A rotation waits for the calls under way") {
  NodeWorld world;
  NodeRun run(world);
  REQUIRE(run.establish());
  world.clock.advance_wall(1900s);
  world.pauses_max = 1;
  auto call = runtime::run_until_done(
      run.loop, run.client.rotation_lock().share(runtime::Deadline::never(), runtime::StopToken()));
  REQUIRE(call);
  runtime::TaskGroup group(run.loop);
  struct Rotation {
    static runtime::Task<void> start(NodeRun& node, bool& done) {
      done = (co_await node.identity.rotate_until_stopped(node.client, node.world.stop.token())).has_value();
    }
  };
  bool done = false;
  group.spawn(Rotation::start(run, done));
  CHECK(world.server.attestations == 1);
  call->release();
  runtime::run_until_done(run.loop, group.join());
  CHECK(done);
  CHECK(world.server.attestations == 2);
}

TEST_CASE("Recovery attests again for as long as the server may come to accept it") {
  NodeWorld world;
  NodeRun run(world);
  REQUIRE(run.establish());
  world.server.connect_failures.assign(30, Error(ErrorCode::kUnavailable, "connection refused"));
  REQUIRE(run.recover(denial("no", Details::AGENT_EXPIRED), SyncPhase::kFirstSync));
  CHECK(world.pauses.size() == 30);
  CHECK(run.logged("Agent needs to re-attest; will attempt to re-attest"));
  CHECK(run.logged("Could not reattest agent\" error="));
  CHECK(run.logged("Successfully reattested node"));
  CHECK(run.on_disk().svid == run.identity.svid()->chain());
}

TEST_CASE("Recovery ends where the server denies the new attestation") {
  NodeWorld world;
  NodeRun run(world);
  REQUIRE(run.establish());
  world.server.attest_refusals = {Status(StatusCode::kPermissionDenied, "failed to attest: agent is banned")};
  auto ended = run.recover(denial("the sync's words", Details::AGENT_NOT_ATTESTED), SyncPhase::kRunning);
  REQUIRE_FALSE(ended);
  CHECK(ended.error().message().find("the sync's words") != std::string::npos);
  CHECK(run.logged("Agent failed re-attestation; removing SVID and shutting down\" error=\"failed to receive"));
  CHECK(run.on_disk().svid.empty());
  CHECK_FALSE(run.identity.identity_provider()());
}

TEST_CASE("Recovery that is stopped deletes nothing") {
  NodeWorld world;
  NodeRun run(world);
  REQUIRE(run.establish());
  world.server.connect_failures.assign(30, Error(ErrorCode::kUnavailable, "connection refused"));
  world.pauses_max = 3;
  CHECK(run.recover(denial("no", Details::AGENT_NOT_ACTIVE), SyncPhase::kRunning).error().code() ==
        ErrorCode::kCancelled);
  CHECK_FALSE(run.on_disk().svid.empty());
}

TEST_CASE("An unknown authority is waited out, or ends in a rebootstrap where that is allowed") {
  Status gone(StatusCode::kUnavailable, "x509: certificate signed by unknown authority");
  Error cause(ErrorCode::kUntrusted, "x509: certificate signed by unknown authority");
  ServerError failure = classify(gone, &cause);
  REQUIRE(failure.error_class() == ServerErrorClass::kUnknownAuthority);

  NodeWorld world;
  auto meet = [&](NodeRun& run, SyncPhase phase) {
    return runtime::run_until_done(run.loop, run.identity.recover(failure, phase, run.client, runtime::StopToken()));
  };
  NodeRun never(world);
  REQUIRE(never.establish());
  for (int i = 0; i < 20; ++i) CHECK(meet(never, SyncPhase::kRunning));
  CHECK_FALSE(never.identity.bootstrap_state().start_time);

  world.options.rebootstrap_mode = RebootstrapMode::kAuto;
  world.options.rebootstrap_delay = 60s;
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(meet(run, SyncPhase::kRunning));
  CHECK(run.logged("ignoring for now\" subsystem_name=manager time_left=1m0s"));
  run.identity.note_sync_success();
  CHECK_FALSE(run.on_disk().bootstrap.start_time);
  CHECK(meet(run, SyncPhase::kRunning));
  world.clock.advance_wall(60s);
  CHECK(meet(run, SyncPhase::kRunning).error().message() == "shutting down for rebootstrapping");
  CHECK(run.on_disk().svid.empty());
  CHECK(run.on_disk().bundle.empty());
  CHECK(run.on_disk().bootstrap.use == BootstrapUse::kRebootstrap);
  CHECK(run.on_disk().bootstrap.start_time);
}

TEST_CASE("The own bundle is kept as the syncer brings it, but never lost") {
  NodeWorld world;
  NodeRun run(world);
  REQUIRE(run.establish());
  world.server.rotate_authority();
  Bundle newer(world.options.trust_domain);
  for (const runtime::Certificate& authority : world.server.authorities) newer.add_x509_authority(authority);
  run.identity.set_bundle(std::make_shared<const Bundle>(newer));
  CHECK(run.on_disk().bundle == world.server.authorities);
  run.identity.set_bundle(std::make_shared<const Bundle>(world.options.trust_domain));
  run.identity.set_bundle(nullptr);
  CHECK(run.on_disk().bundle == world.server.authorities);
  CHECK(run.identity.authorities_provider()().size() == 2);
}

}  // namespace steeple::agent
