#include "agent/workload_api/workload_api.h"

#include "runtime/task/blocking.h"
#include "spiffe/workload/workload.pb.h"
#include "tests/unit/agent/workload_api/workload_api_world.h"

using namespace steeple::tests;
using World = WorkloadApiWorld;

TEST_CASE("FetchX509SVID sends the caller's identities, and each later update") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/workload/one")}));
  FakeServerCall& call = world.call(kFetchX509SvidMethod);
  world.start(call);
  REQUIRE(call.sent().size() == 1);
  X509SVIDResponse first = parsed<X509SVIDResponse>(call.sent()[0]);
  REQUIRE(first.svids_size() == 1);
  CHECK(first.svids(0).spiffe_id() == "spiffe://example.org/workload/one");
  CHECK_FALSE(first.svids(0).x509_svid().empty());
  CHECK_FALSE(first.svids(0).x509_svid_key().empty());
  CHECK_FALSE(first.svids(0).bundle().empty());
  CHECK(first.crl_size() == 0);
  REQUIRE(world.identities.asked().size() == 1);
  CHECK(world.identities.asked()[0] == Selectors({{"unix", "uid:3001"}}));
  CHECK(world.logged("level=debug msg=\"Fetched X.509 SVID\" count=1 method=FetchX509SVID pid="));
  CHECK(
      world.logged("registered=true service=WorkloadAPI spiffe_id=\"spiffe://example.org/workload/one\" "
                   "subsystem_name=endpoints ttl=35"));

  auto same = world.authority.update({world.authority.identity("1", "/workload/one")});
  world.identities.push(same);
  world.settle();
  world.identities.push(same);  // identical updates are sent, too
  world.settle();
  CHECK(call.sent().size() == 3);
  CHECK_FALSE(world.statuses[0]);
}

TEST_CASE("The stages of a first SVID are told, once a stream") {
  std::vector<FirstSvidStage> stages;
  WorkloadApi::Options options;
  options.first_svid_seen = [&](FirstSvidStage stage, std::chrono::nanoseconds took) {
    CHECK(took.count() >= 0);
    stages.push_back(stage);
  };
  World world(options);
  auto update = world.authority.update({world.authority.identity("1", "/workload/one")});
  world.identities.set_first(update);
  world.start(world.call(kFetchX509BundlesMethod));
  CHECK(stages.empty());
  world.start(world.call(kFetchX509SvidMethod));
  world.identities.push(update);
  world.settle();
  CHECK(stages == std::vector<FirstSvidStage>{FirstSvidStage::kAttest, FirstSvidStage::kMatch, FirstSvidStage::kSign,
                                              FirstSvidStage::kFirstByte});
}

TEST_CASE("FetchX509SVID ends with PermissionDenied when there is no identity, at once or later") {
  WorkloadApi::Options options;
  options.log_selectors = {"unix:uid"};
  World world(options);
  SECTION("at once") {
    world.identities.set_first(world.authority.update({}));
    world.start(world.call(kFetchX509SvidMethod));
  }
  SECTION("later") {
    world.identities.set_first(world.authority.update({world.authority.identity("1", "/a")}));
    world.start(world.call(kFetchX509SvidMethod));
    CHECK_FALSE(world.statuses[0]);
    world.identities.push(world.authority.update({}));
    world.settle();
  }
  REQUIRE(world.statuses[0]);
  CHECK(*world.statuses[0] == Status(StatusCode::kPermissionDenied, "no identity issued"));
  CHECK(world.logged("level=error msg=\"No identity issued\" method=FetchX509SVID pid="));
  CHECK(world.logged("registered=false selectors=\"unix:uid:3001\" service=WorkloadAPI subsystem_name=endpoints"));
  CHECK(world.identities.subscribers() == 0);
}

TEST_CASE("A call without the security header is refused before anything else") {
  World world;
  world.attested = Error(ErrorCode::kInternal, "must not be asked");
  FakeServerCall& call = world.call(kFetchX509SvidMethod, false);
  call.set_request({0xff, 0xff, 0xff});
  world.start(call);
  CHECK(*world.statuses[0] == Status(StatusCode::kInvalidArgument, "security header missing from request"));
  CHECK(world.lines.empty());
}

TEST_CASE("A request that does not decode is refused after the header check") {
  World world;
  FakeServerCall& call = world.call(kFetchX509SvidMethod);
  call.set_request({0xff, 0xff, 0xff});
  world.start(call);
  CHECK(*world.statuses[0] ==
        Status(StatusCode::kInternal,
               "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data"));
  FakeServerCall& unknown_field = world.call(kFetchX509SvidMethod);
  unknown_field.set_request({0x0a, 0x01, 'x'});
  world.start(unknown_field);
  CHECK_FALSE(world.statuses[1]);
}

TEST_CASE("A failed attestation is Unavailable, and its reason is in the log alone") {
  World world;
  world.attested = Error(ErrorCode::kInternal, "UIDs lookup: secret reason");
  world.start(world.call(kFetchX509SvidMethod));
  CHECK(*world.statuses[0] == Status(StatusCode::kUnavailable, "workload attestation failed"));
  CHECK(world.logged(
      "msg=\"Workload attestation failed\" error=\"workload attestor \\\"unix\\\" failed: rpc error: code = "
      "Internal desc = workloadattestor(unix): UIDs lookup: secret reason\" method=FetchX509SVID pid="));
  CHECK_FALSE(world.calls[0]->connection_closes());
}

TEST_CASE("A caller that is not who it was loses its connection") {
  World world;
  PeerCredentials other = world.peer.credentials();
  other.uid += 1;
  world.peer = Peer(other, FileDescriptor(), world.peer.start_time());
  world.start(world.call(kFetchX509SvidMethod));
  REQUIRE(world.statuses[0]);
  CHECK(*world.statuses[0] == Status(StatusCode::kUnavailable, "workload attestation failed"));
  CHECK(world.calls[0]->connection_closes());
  CHECK(world.identities.asked().empty());
  CHECK(world.logged(
      "error=\"rpc error: code = Unauthenticated desc = could not verify existence of the original caller: new "
      "process detected: process uid "));
}

TEST_CASE("A caller that leaves ends its stream, never with OK") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/a")}));
  FakeServerCall& call = world.call(kFetchX509SvidMethod);
  world.start(call);
  SECTION("cancelled") {
    call.cancel(StopReason::kCallerCancelled);
    world.settle();
    CHECK(*world.statuses[0] == Status(StatusCode::kCancelled, "context canceled"));
  }
  SECTION("deadline") {
    call.cancel(StopReason::kDeadline);
    world.settle();
    CHECK(*world.statuses[0] == Status(StatusCode::kDeadlineExceeded, "context deadline exceeded"));
  }
  CHECK(world.identities.subscribers() == 0);
}

TEST_CASE("A slow reader gets the newest update") {
  World world;
  FakeServerCall& call = world.call(kFetchX509SvidMethod);
  call.stop_reading();
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/first")}));
  world.start(call);
  for (const char* path : {"/second", "/third", "/fourth"}) {
    world.identities.push(world.authority.update({world.authority.identity("1", path)}));
    world.settle();
  }
  CHECK(call.sent().empty());
  call.read_again();
  for (int i = 0; i < 5; ++i) world.settle();
  REQUIRE(call.sent().size() == 2);
  CHECK(parsed<X509SVIDResponse>(call.sent()[0]).svids(0).spiffe_id() == "spiffe://example.org/first");
  CHECK(parsed<X509SVIDResponse>(call.sent()[1]).svids(0).spiffe_id() == "spiffe://example.org/fourth");
}

TEST_CASE("Streams with the same update share one encoding, and keep none while they wait") {
  World world;
  auto update = world.authority.update({world.authority.identity("1", "/a")});
  std::weak_ptr<const WorkloadUpdate> watched = update;
  world.identities.set_first(update);
  world.start(world.call(kFetchX509SvidMethod));
  world.start(world.call(kFetchX509SvidMethod));
  CHECK(world.calls[0]->sent() == world.calls[1]->sent());
  world.identities.set_first(nullptr);
  update.reset();
  CHECK(watched.expired());
}

TEST_CASE("Entries that lose their hint are left out, with a warning") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("a", "/young", "same", 200),
                                                     world.authority.identity("b", "/old", "same", 100),
                                                     world.authority.identity("c", "/free", "", 300)}));
  FakeServerCall& call = world.call(kFetchX509SvidMethod);
  world.start(call);
  X509SVIDResponse response = parsed<X509SVIDResponse>(call.sent().at(0));
  REQUIRE(response.svids_size() == 2);
  CHECK(response.svids(0).spiffe_id() == "spiffe://example.org/old");
  CHECK(response.svids(1).spiffe_id() == "spiffe://example.org/free");
  CHECK(world.logged("level=warning msg=\"Ignoring entry with duplicate hint\" entry_id=a hint=same"));
  CHECK(world.logged("count=2"));
}

TEST_CASE("An agent without its first sync answers with the reason") {
  World world;
  world.identities.fail_with(Error(ErrorCode::kUnavailable, "waiting for the first sync with the server"));
  world.start(world.call(kFetchX509SvidMethod));
  REQUIRE(world.statuses[0]);
  CHECK(world.statuses[0]->code() == StatusCode::kUnavailable);
  CHECK(world.statuses[0]->message() == "waiting for the first sync with the server");
  CHECK(world.logged("msg=\"Subscribe to cache changes failed\""));
}

TEST_CASE("Rate limits are charged after attestation, and the agent itself is exempt") {
  World world;
  world.limits = RateLimiter(world.clock, {{kFetchX509SvidMethod, 1}}, Logger());
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/a")}));
  world.start(world.call(kFetchX509SvidMethod));
  world.start(world.call(kFetchX509SvidMethod));
  CHECK_FALSE(world.statuses[0]);
  REQUIRE(world.statuses[1]);
  CHECK(*world.statuses[1] ==
        Status(StatusCode::kUnavailable, "rate limit exceeded for /SpiffeWorkloadAPI/FetchX509SVID"));
  Peer self = own_peer();
  FakeServerCall own(world.loop, std::string(kFetchX509SvidMethod), &self);
  own.add_metadata("workload.spiffe.io", "true");
  std::string before = world.lines;
  world.start(own);
  CHECK(own.sent().size() == 1);
  CHECK(world.lines == before);  // and it is not logged
  own.cancel(StopReason::kPeerGone);
  world.settle();
}

TEST_CASE("The probe tells whether the agent itself would be served, and asks for no entry") {
  World world;
  auto probe = [&] { return run_until_done(world.loop, world.api.probe(Deadline::never(), {})); };
  world.identities.set_first(world.authority.update({}));
  CHECK(probe().is_ok());
  CHECK(world.identities.asked().empty());  // a subscription without an entry would ask the server
  world.identities.fail_with(Error(ErrorCode::kUnavailable, "the agent has not yet synchronized with the server"));
  CHECK(probe().code() == StatusCode::kUnavailable);
  world.attested = Error(ErrorCode::kInternal, "no");
  CHECK(probe() == Status(StatusCode::kUnavailable, "workload attestation failed"));
}
