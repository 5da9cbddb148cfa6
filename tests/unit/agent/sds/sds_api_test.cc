#include "agent/sds/sds_api.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <deque>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "runtime/task/task_group.h"
#include "tests/fakes/fake_identity_source.h"
#include "tests/fakes/fake_server_call.h"
#include "tests/fakes/fixed_attestor.h"
#include "tests/fakes/own_peer.h"
#include "tests/fakes/test_authority.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using steeple::attestation::Selectors;
using steeple::attestation::WorkloadEngine;
using steeple::runtime::grpc::Status;
using steeple::runtime::grpc::StatusCode;

namespace {

Bytes encoded(const DiscoveryRequest& request) { return to_bytes(as_bytes(request.SerializeAsString())); }

Bytes ask(const std::vector<std::string>& names, const std::string& version = "", const std::string& nonce = "") {
  DiscoveryRequest request;
  for (const std::string& name : names) request.add_resource_names(name);
  request.set_version_info(version);
  request.set_response_nonce(nonce);
  return encoded(request);
}

DiscoveryResponse parsed(const Bytes& message) {
  DiscoveryResponse response;
  REQUIRE(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
  return response;
}

struct World {
  World() : engine(loop, one_attestor(attested), log), callers(engine), identities(loop), peer(own_peer()) {
    api.emplace(loop, callers, identities, limits, SdsOptions{}, log);
  }
  ~World() {
    for (auto& open : calls) open->cancel(StopReason::kPeerGone);
    for (int i = 0; i < 10; ++i) settle();
    CHECK(group.size() == 0);
  }
  FakeServerCall& call(std::string_view path) {
    calls.push_back(std::make_unique<FakeServerCall>(loop, std::string(path), &peer));
    return *calls.back();
  }
  FakeServerCall& stream() {
    FakeServerCall& opened = call(kStreamSecretsMethod);
    opened.open_input();
    start(opened);
    return opened;
  }
  void start(FakeServerCall& started) {
    statuses.emplace_back();
    group.spawn(serve(started, statuses.size() - 1));
    settle();
  }
  Task<void> serve(FakeServerCall& served, std::size_t slot) {
    bool streams = served.path() == kStreamSecretsMethod;
    Status status = streams ? co_await api->stream_secrets(served) : co_await api->fetch_secrets(served);
    statuses[slot] = std::move(status);
  }
  void send(FakeServerCall& open, Bytes message) {
    open.push_message(std::move(message));
    settle();
  }
  void settle() {
    for (int i = 0; i < 5; ++i) {
      loop.io().restart();
      loop.io().poll();
    }
  }

  Loop loop;
  Logger log;
  Result<Selectors> attested = Selectors({{"unix", "uid:3001"}});
  WorkloadEngine engine;
  CallerAttestor callers;
  FakeIdentitySource identities;
  RateLimiter limits;
  std::optional<SdsApi> api;
  Peer peer;
  TestAuthority authority{"example.org"};
  std::vector<std::unique_ptr<FakeServerCall>> calls;
  std::deque<std::optional<Status>> statuses;
  TaskGroup group{loop};
};

}  // namespace

TEST_CASE("A stream is answered once it has asked, and again with each update") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/workload/one")}));
  FakeServerCall& call = world.stream();
  CHECK(call.sent().empty());
  world.send(call, ask({"default"}));
  REQUIRE(call.sent().size() == 1);
  DiscoveryResponse first = parsed(call.sent()[0]);
  CHECK(first.version_info() == "1");
  world.send(call, ask({"default"}, "1", first.nonce()));
  CHECK(call.sent().size() == 1);
  world.identities.push(world.authority.update({world.authority.identity("1", "/workload/one")}));
  world.settle();
  REQUIRE(call.sent().size() == 2);
  CHECK(parsed(call.sent()[1]).version_info() == "2");
  CHECK(parsed(call.sent()[1]).nonce() != first.nonce());
  CHECK_FALSE(world.statuses[0]);
}

TEST_CASE("A request before the first update waits for it") {
  World world;
  FakeServerCall& call = world.stream();
  world.send(call, ask({"default"}));
  CHECK(call.sent().empty());
  world.identities.push(world.authority.update({world.authority.identity("1", "/workload/one")}));
  world.settle();
  CHECK(call.sent().size() == 1);
}

TEST_CASE("Streams that receive the same share one message") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/workload/one")}));
  FakeServerCall& a = world.stream();
  FakeServerCall& b = world.stream();
  world.send(a, ask({"default", "ROOTCA"}));
  world.send(b, ask({"ROOTCA", "default", "default"}));
  REQUIRE(a.sent().size() == 1);
  REQUIRE(b.sent().size() == 1);
  CHECK(a.sent()[0] == b.sent()[0]);
}

TEST_CASE("An identity that disappears ends the stream that named it") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/workload/one")}));
  FakeServerCall& call = world.stream();
  world.send(call, ask({"default"}));
  world.identities.push(world.authority.update({}));
  world.settle();
  REQUIRE(world.statuses[0]);
  CHECK(*world.statuses[0] ==
        Status(StatusCode::kInvalidArgument, "workload is not authorized for the requested identities [\"default\"]"));
}

TEST_CASE("A half-close ends with OK, garbage with Internal") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/workload/one")}));
  FakeServerCall& closed = world.stream();
  world.send(closed, ask({"default"}));
  closed.half_close();
  world.settle();
  REQUIRE(world.statuses[0]);
  CHECK(world.statuses[0]->is_ok());

  FakeServerCall& garbage = world.stream();
  world.send(garbage, {0xff, 0xff, 0xff});
  REQUIRE(world.statuses[1]);
  CHECK(*world.statuses[1] ==
        Status(StatusCode::kInternal,
               "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data"));
  CHECK(world.identities.subscribers() == 0);
}

TEST_CASE("A client that does not read is sent the newest state when it reads again") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/workload/one")}));
  FakeServerCall& call = world.stream();
  call.stop_reading();
  world.send(call, ask({"default"}));
  for (int i = 0; i < 3; ++i) {
    world.identities.push(world.authority.update({world.authority.identity("1", "/workload/one")}));
    world.settle();
  }
  call.read_again();
  world.settle();
  REQUIRE(call.sent().size() == 2);
  CHECK(parsed(call.sent()[1]).version_info() == "4");
}

TEST_CASE("FetchSecrets answers once, without version and nonce") {
  World world;
  world.identities.set_first(world.authority.update({world.authority.identity("1", "/workload/one")}));
  FakeServerCall& call = world.call(kFetchSecretsMethod);
  call.set_request(ask({}));
  world.start(call);
  REQUIRE(world.statuses[0]);
  CHECK(world.statuses[0]->is_ok());
  REQUIRE(call.sent().size() == 1);
  DiscoveryResponse response = parsed(call.sent()[0]);
  CHECK(response.resources_size() == 2);
  CHECK(response.version_info().empty());
  CHECK(response.nonce().empty());

  FakeServerCall& garbage = world.call(kFetchSecretsMethod);
  garbage.set_request({0xff});
  world.start(garbage);
  CHECK(world.statuses[1]->code() == StatusCode::kInternal);
}
