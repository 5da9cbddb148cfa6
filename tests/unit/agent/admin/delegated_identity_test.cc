// Streams of the DelegatedIdentity API: updates, lost authorisation, bundles that come and go.
#include "agent/admin/delegated_identity.h"

#include <catch2/catch.hpp>

#include "runtime/task/blocking.h"
#include "runtime/task/task_group.h"
#include "spire/api/agent/delegatedidentity/v1/delegatedidentity.pb.h"
#include "tests/fakes/fake_identity_source.h"
#include "tests/fakes/fake_jwt_source.h"
#include "tests/fakes/fake_server_call.h"
#include "tests/fakes/own_peer.h"
#include "tests/fakes/test_authority.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using steeple::attestation::Selectors;
using steeple::runtime::grpc::Status;
using steeple::runtime::grpc::StatusCode;
namespace api = spire::api::agent::delegatedidentity::v1;

namespace {

constexpr const char* kX509Svids = "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509SVIDs";
constexpr const char* kX509Bundles = "/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509Bundles";

struct World {
  World()
      : engine(loop, {}, log),
        callers(engine),
        identities(loop),
        feed(loop),
        service(callers, identities, tokens, feed, {"spiffe://example.org/delegate"}, clock, log) {
    identities.set_entries({delegate_entry()});
  }
  SharedEntry delegate_entry() const {
    return std::make_shared<RegistrationEntry>(authority.identity("d", "/delegate").entry());
  }
  void run(Task<Status> call, Status* ended) {
    group.spawn([](Task<Status> task, Status* result) -> Task<void> { *result = co_await std::move(task); }(
                                                          std::move(call), ended));
  }
  void settle() {
    for (int i = 0; i < 50; ++i) {
      loop.io().restart();
      loop.io().poll();
    }
  }

  void finish() {
    group.close(StopReason::kShutdown);
    run_until_done(loop, group.join());
  }

  Loop loop;
  SystemClock clock;
  Logger log;
  TestAuthority authority{"example.org"};
  TestAuthority partner{"partner.test"};
  steeple::attestation::WorkloadEngine engine;
  CallerAttestor callers;
  FakeIdentitySource identities;
  FakeJwtSource tokens;
  BundleFeed feed;
  DelegatedIdentityService service;
  Peer peer = own_peer();
  TaskGroup group{loop};
};

Bytes request_for_uid() {
  api::SubscribeToX509SVIDsRequest request;
  auto* selector = request.add_selectors();
  selector->set_type("unix");
  selector->set_value("uid:7");
  return to_bytes(as_bytes(request.SerializeAsString()));
}

template <class Message>
Message decoded(const Bytes& bytes) {
  Message message;
  REQUIRE(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return message;
}

}  // namespace

TEST_CASE("A delegate's stream gets each update, until it is a delegate no more") {
  World world;
  int first_updates = 0;
  world.service.on_first_update([&](std::chrono::nanoseconds) { ++first_updates; });
  world.identities.set_first(world.authority.update({}));
  FakeServerCall call(world.loop, kX509Svids, &world.peer);
  call.set_request(request_for_uid());
  Status ended(StatusCode::kUnknown, "still open");
  world.run(world.service.subscribe_to_x509_svids(call), &ended);
  world.settle();
  REQUIRE(call.sent().size() == 1);
  CHECK(call.sent()[0].empty());
  CHECK(first_updates == 0);
  CHECK(world.identities.asked().back() == Selectors({{"unix", "uid:7"}}));

  world.identities.push(world.authority.update({world.authority.identity("a", "/a")}, {world.partner.bundle()}));
  world.settle();
  REQUIRE(call.sent().size() == 2);
  const auto response = decoded<api::SubscribeToX509SVIDsResponse>(call.sent()[1]);
  REQUIRE(response.x509_svids_size() == 1);
  CHECK(response.x509_svids(0).x509_svid().id().path() == "/a");
  CHECK(first_updates == 1);
  CHECK(response.federates_with(0) == "spiffe://partner.test");

  world.identities.set_entries({std::make_shared<RegistrationEntry>(world.authority.identity("x", "/other").entry())});
  world.identities.push(world.authority.update({}));
  world.settle();
  CHECK(call.sent().size() == 2);
  CHECK(ended == Status(StatusCode::kPermissionDenied, "caller not configured as an authorized delegate"));
  CHECK(world.identities.subscribers() == 0);
  world.finish();
}

TEST_CASE("Bundles accumulate on a stream") {
  World world;
  world.feed.set(BundleSet(world.authority.bundle()));
  FakeServerCall call(world.loop, kX509Bundles, &world.peer);
  Status ended(StatusCode::kUnknown, "still open");
  world.run(world.service.subscribe_to_x509_bundles(call), &ended);
  world.settle();
  REQUIRE(call.sent().size() == 1);
  CHECK(decoded<api::SubscribeToX509BundlesResponse>(call.sent()[0]).ca_certificates_size() == 1);

  BundleSet both(world.authority.bundle());
  both.set_federated(world.partner.bundle());
  world.feed.set(both);
  world.settle();
  world.feed.set(BundleSet(world.authority.bundle()));
  world.settle();
  REQUIRE(call.sent().size() == 3);
  const auto last = decoded<api::SubscribeToX509BundlesResponse>(call.sent()[2]);
  CHECK(last.ca_certificates_size() == 2);
  CHECK(last.ca_certificates().contains("spiffe://partner.test"));

  call.cancel(StopReason::kCallerCancelled);
  world.settle();
  CHECK(ended.code() == StatusCode::kCancelled);
  world.finish();
}

TEST_CASE("A process that is named by its number must exist") {
  World world;
  world.identities.set_first(world.authority.update({}));
  for (std::int32_t pid : {-1, 0x7ffffff0}) {
    FakeServerCall call(world.loop, kX509Svids, &world.peer);
    api::SubscribeToX509SVIDsRequest request;
    request.set_pid(pid);
    call.set_request(to_bytes(as_bytes(request.SerializeAsString())));
    CHECK(run_until_done(world.loop, world.service.subscribe_to_x509_svids(call)) ==
          Status(StatusCode::kUnavailable, "workload attestation failed"));
  }
}
