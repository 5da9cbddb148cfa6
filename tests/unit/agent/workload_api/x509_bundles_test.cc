// FetchX509Bundles.
#include "spiffe/workload/workload.pb.h"
#include "tests/unit/agent/workload_api/workload_api_world.h"

using namespace steeple::tests;
using World = WorkloadApiWorld;

TEST_CASE("FetchX509Bundles sends own and federated bundles, and only what changed") {
  World world;
  TestAuthority partner("partner.test");
  auto partner_bundle = partner.bundle();
  auto identity = world.authority.identity("1", "/a");
  auto own = world.authority.bundle();
  auto update = [&](std::vector<SharedBundle> federated) {
    return std::make_shared<const WorkloadUpdate>(std::vector<Identity>{identity}, own, std::move(federated));
  };
  world.identities.set_first(update({partner_bundle}));
  FakeServerCall& call = world.call(kFetchX509BundlesMethod);
  world.start(call);
  REQUIRE(call.sent().size() == 1);
  X509BundlesResponse first = parsed<X509BundlesResponse>(call.sent()[0]);
  CHECK(first.bundles().size() == 2);
  CHECK_FALSE(first.bundles().at("spiffe://example.org").empty());
  CHECK_FALSE(first.bundles().at("spiffe://partner.test").empty());
  CHECK(first.crl_size() == 0);
  world.identities.push(update({partner_bundle}));
  world.settle();
  CHECK(call.sent().size() == 1);
  world.identities.push(update({partner.bundle()}));  // another object, the same content
  world.settle();
  CHECK(call.sent().size() == 1);
  world.identities.push(update({}));
  world.settle();
  REQUIRE(call.sent().size() == 2);
  CHECK(parsed<X509BundlesResponse>(call.sent()[1]).bundles().size() == 1);
  world.identities.push(
      std::make_shared<const WorkloadUpdate>(std::vector<Identity>(), own, std::vector<SharedBundle>()));
  world.settle();
  CHECK(*world.statuses[0] == Status(StatusCode::kPermissionDenied, "no identity issued"));
}

TEST_CASE("FetchX509Bundles tells unauthenticated verifiers the own trust domain only") {
  WorkloadApi::Options options;
  options.allow_unauthenticated_verifiers = true;
  World world(options);
  TestAuthority partner("partner.test");
  world.identities.set_first(world.authority.update({}, {partner.bundle()}));
  FakeServerCall& call = world.call(kFetchX509BundlesMethod);
  world.start(call);
  REQUIRE(call.sent().size() == 1);
  X509BundlesResponse response = parsed<X509BundlesResponse>(call.sent()[0]);
  CHECK(response.bundles().size() == 1);
  CHECK(response.bundles().count("spiffe://example.org") == 1);
  CHECK_FALSE(world.statuses[0]);
}

TEST_CASE("FetchX509Bundles without an own bundle is Unavailable") {
  WorkloadApi::Options options;
  options.allow_unauthenticated_verifiers = true;
  World world(options);
  world.identities.set_first(
      std::make_shared<const WorkloadUpdate>(std::vector<Identity>(), nullptr, std::vector<SharedBundle>()));
  world.start(world.call(kFetchX509BundlesMethod));
  CHECK(*world.statuses[0] == Status(StatusCode::kUnavailable, "could not serialize response: bundle not available"));
}
