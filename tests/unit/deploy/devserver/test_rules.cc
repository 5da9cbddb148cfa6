#include <catch2/catch.hpp>

#include "deploy/devserver/services/rules.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/status.pb.h"
#include "tests/unit/deploy/devserver/entries.h"

using namespace steeple;
using namespace steeple::devserver;
using spire::api::types::Entry;
using spire::api::types::EntryMask;

namespace {

agent::TrustDomain own() { return *agent::TrustDomain::parse("example.org"); }

std::string refusal(Entry entry, const EntryMask* mask = nullptr) {
  auto checked = check_entry(own(), entry, mask);
  return checked ? "" : checked.error().message();
}

Entry good() { return make_entry("", "/spire/agent/x", "/workload", "uid:1"); }

}  // namespace

TEST_CASE("An entry's IDs must be of the trust domain, and its SPIFFE ID outside SPIRE's own paths") {
  CHECK(refusal(good()).empty());
  Entry entry = good();
  entry.mutable_spiffe_id()->set_trust_domain("other.test");
  CHECK(refusal(entry) ==
        "invalid spiffe ID: \"spiffe://other.test/workload\" is not a member of trust domain \"example.org\"");
  entry = good();
  entry.mutable_spiffe_id()->set_path("/spire/agent/forged");
  CHECK(refusal(entry) ==
        "invalid spiffe ID: \"spiffe://example.org/spire/agent/forged\" is not a workload in trust domain "
        "\"example.org\"; path is in the reserved namespace");
  entry = good();
  entry.mutable_parent_id()->clear_path();
  CHECK(refusal(entry) ==
        "invalid parent ID: \"spiffe://example.org\" is not a member of trust domain \"example.org\"; path is empty");
  entry = good();
  entry.clear_parent_id();
  CHECK(refusal(entry) == "invalid parent ID: request must specify SPIFFE ID");
  entry = good();
  entry.mutable_spiffe_id()->set_path("/a/../b");
  CHECK(refusal(entry) == "invalid spiffe ID: path cannot contain dot segments");
}

TEST_CASE("An entry's selectors, names, hint and federation are checked") {
  Entry entry = good();
  entry.clear_selectors();
  CHECK(refusal(entry) == "selector list is empty");
  entry = good();
  entry.mutable_selectors(0)->set_type("a:b");
  CHECK(refusal(entry) == "selector type contains ':'");
  entry.mutable_selectors(0)->set_type("");
  CHECK(refusal(entry) == "missing selector type");
  entry = good();
  entry.mutable_selectors(0)->set_value("");
  CHECK(refusal(entry) == "missing selector value");
  entry = good();
  entry.set_hint(std::string(1025, 'h'));
  CHECK(refusal(entry) == "hint is too long, max length is 1024 characters");
  entry = good();
  entry.add_federates_with("NOT A DOMAIN");
  CHECK(refusal(entry).starts_with("invalid federated trust domain: "));
  entry.set_federates_with(0, "spiffe://partner.test");
  REQUIRE(check_entry(own(), entry, nullptr));
  CHECK(entry.federates_with(0) == "partner.test");
}

TEST_CASE("DNS names are lower-case host names, with one leading wildcard at most") {
  for (const char* name : {"a", "a.b-c.example.org", "*.example.org", "1.2"}) {
    INFO(name);
    CHECK(check_dns_name(name));
  }
  for (const char* name : {"", " ", "a.", "a..b", "-a", "a-", "A", "a_b", "*", "a.*.b", "*.*.b", "ab--c", "\xc3\xa9"}) {
    INFO(name);
    CHECK_FALSE(check_dns_name(name));
  }
  CHECK_FALSE(check_dns_name(std::string(64, 'a')));
  CHECK(check_dns_name(std::string(63, 'a')));
}

TEST_CASE("The datastore's rules hold for the whole entry") {
  Entry entry = good();
  CHECK(check_stored_entry(entry));
  entry.set_store_svid(true);
  CHECK(check_stored_entry(entry));
  entry.mutable_additional_attributes()->set_disable_x509_svid_prefetch(true);
  CHECK_FALSE(check_stored_entry(entry));
  entry = good();
  entry.set_store_svid(true);
  entry.add_selectors()->set_type("k8s");
  CHECK_FALSE(check_stored_entry(entry));
  entry = good();
  entry.set_x509_svid_ttl(-1);
  CHECK_FALSE(check_stored_entry(entry));
  entry = good();
  entry.set_id("a b");
  CHECK(check_stored_entry(entry).error().message() ==
        "datastore-validation: invalid registration entry: entry ID contains invalid characters");
  entry.set_id(std::string(256, 'a'));
  CHECK(check_stored_entry(entry).error().message() ==
        "datastore-validation: invalid registration entry: entry ID too long");
}

TEST_CASE("An update without a mask replaces all but id, revision and creation time") {
  Entry stored = good();
  stored.set_id("id");
  stored.set_hint("old");
  stored.set_admin(true);
  stored.add_dns_names("a.test");
  stored.set_revision_number(4);
  stored.set_created_at(9);
  Entry change = make_entry("id", "/other", "/changed", "uid:2");
  change.set_revision_number(77);
  merge_entry(stored, change, nullptr);
  CHECK(stored.id() == "id");
  CHECK(stored.spiffe_id().path() == "/changed");
  CHECK(stored.selectors_size() == 1);
  CHECK(stored.selectors(0).value() == "uid:2");
  CHECK(stored.hint().empty());
  CHECK_FALSE(stored.admin());
  CHECK(stored.dns_names_size() == 0);
  CHECK(stored.revision_number() == 4);
  CHECK(stored.created_at() == 9);
}

TEST_CASE("An update with a mask replaces what it names and keeps the rest") {
  Entry stored = good();
  stored.set_hint("old");
  stored.add_dns_names("a.test");
  stored.set_x509_svid_ttl(60);
  Entry change;
  change.add_dns_names("b.test");
  change.set_x509_svid_ttl(0);
  EntryMask mask;
  mask.set_dns_names(true);
  mask.set_x509_svid_ttl(true);
  REQUIRE(refusal(change, &mask).empty());
  merge_entry(stored, change, &mask);
  CHECK(stored.hint() == "old");
  CHECK(stored.selectors_size() == 1);
  CHECK(stored.spiffe_id().path() == "/workload");
  REQUIRE(stored.dns_names_size() == 1);
  CHECK(stored.dns_names(0) == "b.test");
  CHECK(stored.x509_svid_ttl() == 0);
}

TEST_CASE("Status texts carry the inner error, except for NOT_FOUND") {
  using runtime::grpc::StatusCode;
  runtime::Error inner(runtime::ErrorCode::kInternal, "inner");
  CHECK(status_of(StatusCode::kInvalidArgument, "outer", &inner).message() == "outer: inner");
  CHECK(status_of(StatusCode::kNotFound, "outer", &inner).message() == "outer");
  spire::api::types::Status status;
  set_status(status, runtime::grpc::Status::ok());
  CHECK(status.message() == "OK");
}

TEST_CASE("Bundles must hold certificates and named keys") {
  spire::api::types::Bundle bundle;
  CHECK(check_bundle(bundle));
  bundle.add_x509_authorities()->set_asn1("no certificate");
  CHECK(check_bundle(bundle).error().message().starts_with("unable to parse X.509 authority: "));
  bundle.clear_x509_authorities();
  bundle.add_jwt_authorities()->set_public_key("no key");
  CHECK(check_bundle(bundle).error().message().starts_with("unable to parse JWT authority: "));
}
