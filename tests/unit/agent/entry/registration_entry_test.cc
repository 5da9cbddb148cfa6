#include "agent/entry/registration_entry.h"

#include <catch2/catch.hpp>

#include "spire/api/types/entry.pb.h"
#include "tests/fakes/entries.h"

using namespace steeple;
using namespace steeple::agent;
using spire::api::types::Entry;

namespace {

Entry good_message() {
  Entry message;
  message.set_id("e1");
  message.mutable_spiffe_id()->set_trust_domain("example.org");
  message.mutable_spiffe_id()->set_path("/web");
  auto& selector = *message.add_selectors();
  selector.set_type("unix");
  selector.set_value("uid:1000");
  return message;
}

std::string refusal(const Entry& message) {
  auto entry = entry_from_proto(message);
  REQUIRE_FALSE(entry);
  return entry.error().message();
}

}  // namespace

TEST_CASE("RegistrationEntry keeps every field the agent acts upon") {
  Entry message = good_message();
  message.add_federates_with("partner.test");
  message.add_federates_with("ally.test");
  message.add_federates_with("partner.test");
  message.set_revision_number(7);
  message.set_created_at(1234);
  message.set_hint("internal");
  message.set_store_svid(true);
  message.set_admin(true);
  message.set_downstream(true);
  message.mutable_additional_attributes()->set_disable_x509_svid_prefetch(true);
  message.mutable_additional_attributes()->set_jwt_svid_include_jti(true);
  auto entry = entry_from_proto(message);
  REQUIRE(entry);
  CHECK(entry->id == "e1");
  CHECK(entry->spiffe_id.text() == "spiffe://example.org/web");
  CHECK(entry->selectors == tests::selectors_of({"unix:uid:1000"}));
  REQUIRE(entry->federates_with.size() == 2);
  CHECK(entry->federates_with[0].name() == "ally.test");
  CHECK(entry->revision_number == 7);
  CHECK(entry->created_at == 1234);
  CHECK(entry->hint == "internal");
  CHECK((entry->store_svid && entry->admin && entry->downstream));
  CHECK(entry->disable_x509_svid_prefetch);
  CHECK(entry->jwt_svid_include_jti);
}

TEST_CASE("RegistrationEntry says what is wrong with a malformed message") {
  Entry message = good_message();
  SECTION("no id") {
    message.clear_id();
    CHECK(refusal(message) == "missing entry ID");
  }
  SECTION("no SPIFFE ID") {
    message.clear_spiffe_id();
    CHECK(refusal(message) == "invalid SPIFFE ID: response missing SPIFFE ID");
  }
  SECTION("bad path") {
    message.mutable_spiffe_id()->set_path("/a//b");
    CHECK(refusal(message).starts_with("invalid SPIFFE ID: "));
  }
  SECTION("bad trust domain to federate with") {
    message.add_federates_with("UPPER");
    CHECK(refusal(message).starts_with("invalid federated trust domain: "));
  }
  SECTION("no selectors") {
    message.clear_selectors();
    CHECK(refusal(message) == "selector list is empty");
  }
  SECTION("selector without type") {
    message.mutable_selectors(0)->clear_type();
    CHECK(refusal(message) == "missing selector type");
  }
  SECTION("selector type with a colon") {
    message.mutable_selectors(0)->set_type("a:b");
    CHECK(refusal(message) == "selector type contains ':'");
  }
  SECTION("selector without value") {
    message.mutable_selectors(0)->clear_value();
    CHECK(refusal(message) == "missing selector value");
  }
}

TEST_CASE("RegistrationEntry asks for the fields the recorded agent asks for") {
  spire::api::types::EntryMask mask;
  fill_entry_mask(mask);
  CHECK(mask.ByteSizeLong() == 21);  // the recorded request is 23 bytes: this and its field header
  CHECK(mask.additional_attributes());
  CHECK_FALSE(mask.parent_id());
  CHECK_FALSE(mask.dns_names());
}
