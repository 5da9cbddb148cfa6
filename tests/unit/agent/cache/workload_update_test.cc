#include "agent/cache/workload_update.h"

#include <catch2/catch.hpp>

#include "spiffe/workload/workload.pb.h"
#include "tests/fakes/entries.h"
#include "tests/fakes/signing_authority.h"

using namespace steeple;
using namespace steeple::agent;
using tests::make_entry;
using tests::shared;
using tests::SigningAuthority;

namespace {

const SigningAuthority& own() {
  static const SigningAuthority authority("example.org");
  return authority;
}

Identity identity(RegistrationEntry entry) {
  auto svid = own().svid(entry.spiffe_id.text());
  return Identity(shared(std::move(entry)), svid);
}

Identity hinted(std::string id, std::string hint, std::int64_t created_at) {
  RegistrationEntry entry = make_entry(id, "/" + id, {"t:1"});
  entry.hint = std::move(hint);
  entry.created_at = created_at;
  return identity(std::move(entry));
}

X509SVIDResponse decode(const WorkloadUpdate& update) {
  const runtime::BytesView framed = update.x509_svid_response().view();
  REQUIRE(framed.size() >= 5);
  CHECK(framed[0] == 0);
  const std::size_t size = framed[1] << 24 | framed[2] << 16 | framed[3] << 8 | framed[4];
  REQUIRE(size == framed.size() - 5);
  X509SVIDResponse response;
  REQUIRE(response.ParseFromArray(framed.data() + 5, static_cast<int>(size)));
  return response;
}

std::string text(runtime::BytesView bytes) { return runtime::to_text(bytes); }

}  // namespace

TEST_CASE("WorkloadUpdate encodes identities in order with the entry's SPIFFE ID and the bundle in each") {
  std::vector<Identity> identities{identity(make_entry("a", "/a", {"t:1"})), hinted("b", "internal", 1)};
  const auto svid_a = text(identities[0].svid().chain());
  const auto key_b = text(identities[1].svid().key().view());
  WorkloadUpdate update(std::move(identities), own().shared_bundle(), {});
  X509SVIDResponse response = decode(update);
  REQUIRE(response.svids_size() == 2);
  CHECK(response.svids(0).spiffe_id() == "spiffe://example.org/a");
  CHECK(response.svids(0).x509_svid() == svid_a);
  CHECK(response.svids(0).hint().empty());
  CHECK(response.svids(1).x509_svid_key() == key_b);
  CHECK(response.svids(1).hint() == "internal");
  for (const auto& svid : response.svids()) CHECK(svid.bundle() == text(own().certificate().der()));
  CHECK(response.crl().empty());
  CHECK(response.federated_bundles().empty());
}

TEST_CASE("WorkloadUpdate is encoded once and shared") {
  WorkloadUpdate update({identity(make_entry("a", "/a", {"t:1"}))}, own().shared_bundle(), {});
  CHECK(update.x509_svid_response().view().data() == update.x509_svid_response().view().data());
}

TEST_CASE("WorkloadUpdate sends a federated bundle without X.509 authorities as an empty value") {
  SigningAuthority partner("partner.test");
  auto empty = std::make_shared<const Bundle>(tests::trust_domain("empty.test"));
  WorkloadUpdate update({identity(make_entry("a", "/a", {"t:1"}))}, own().shared_bundle(),
                        {empty, partner.shared_bundle()});
  X509SVIDResponse response = decode(update);
  REQUIRE(response.federated_bundles_size() == 2);
  CHECK(response.federated_bundles().at("spiffe://partner.test") == text(partner.certificate().der()));
  CHECK(response.federated_bundles().at("spiffe://empty.test").empty());
}

TEST_CASE("WorkloadUpdate filters equal hints from the response but not from the identities") {
  SECTION("the younger one loses") {
    WorkloadUpdate update({hinted("a", "same", 20), hinted("b", "same", 10), hinted("c", "", 1), hinted("d", "", 1)},
                          own().shared_bundle(), {});
    CHECK(update.identities().size() == 4);
    REQUIRE(update.ignored_hints().size() == 1);
    CHECK(update.is_ignored(0));
    CHECK(update.served_count() == 3);
    X509SVIDResponse response = decode(update);
    REQUIRE(response.svids_size() == 3);
    CHECK(response.svids(0).spiffe_id() == "spiffe://example.org/b");
  }
  SECTION("of equal age, the greater id loses") {
    WorkloadUpdate update({hinted("a", "same", 10), hinted("b", "same", 10)}, own().shared_bundle(), {});
    REQUIRE(update.ignored_hints().size() == 1);
    CHECK(update.ignored_hints()[0] == 1);
  }
  SECTION("only one of many stays") {
    WorkloadUpdate update(
        {hinted("a", "same", 3), hinted("b", "same", 2), hinted("c", "same", 1), hinted("d", "other", 9)},
        own().shared_bundle(), {});
    CHECK(update.ignored_hints().size() == 2);
    CHECK_FALSE(update.is_ignored(2));
    CHECK_FALSE(update.is_ignored(3));
  }
}

TEST_CASE("WorkloadUpdate without identities encodes an empty message") {
  WorkloadUpdate update({}, own().shared_bundle(), {});
  CHECK(update.identities().empty());
  CHECK(decode(update).svids_size() == 0);
}
