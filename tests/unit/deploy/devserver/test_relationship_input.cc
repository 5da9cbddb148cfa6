#include <catch2/catch.hpp>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/relationship_input.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/federationrelationship.pb.h"
#include "tests/unit/deploy/devserver/fake_terminal.h"

using namespace steeple::devserver;

namespace {

constexpr const char* kItem =
    R"("trustDomain":"two.test","bundleEndpointURL":"https://two.test/","bundleEndpointProfile":"https_web")";

std::string refusal(const std::string& json) {
  auto relationships = parse_relationships(json);
  return relationships ? "" : relationships.error().message();
}

std::string refused_item(const std::string& members) {
  return refusal(R"({"federationRelationships":[{)" + members + "}]}");
}

}  // namespace

TEST_CASE("A file of federation relationships is read whole") {
  auto relationships = parse_relationships(R"({"federationRelationships":[{)" + std::string(kItem) + R"(},
    {"trustDomain":"three.test","bundleEndpointURL":"https://three.test/","bundleEndpointProfile":"https_spiffe",
     "endpointSPIFFEID":"spiffe://three.test/spire/server","trustDomainBundleFormat":"spiffe",
     "trustDomainBundle":{"keys":[],"spiffe_sequence":7,"spiffe_refresh_hint":60}}]})");
  REQUIRE(relationships);
  REQUIRE(relationships->size() == 2);
  CHECK(format_relationship(relationships->front()) ==
        "Trust domain              : two.test\n"
        "Bundle endpoint URL       : https://two.test/\n"
        "Bundle endpoint profile   : https_web\n");
  CHECK_FALSE(relationships->front().has_trust_domain_bundle());
  CHECK(format_relationship(relationships->back()) ==
        "Trust domain              : three.test\n"
        "Bundle endpoint URL       : https://three.test/\n"
        "Bundle endpoint profile   : https_spiffe\n"
        "Endpoint SPIFFE ID        : spiffe://three.test/spire/server\n");
  CHECK(relationships->back().trust_domain_bundle().trust_domain() == "three.test");
  CHECK(relationships->back().trust_domain_bundle().sequence_number() == 7);
}

TEST_CASE("Bad federation relationships are refused by what is wrong") {
  CHECK(refusal("{}").empty());
  CHECK(refusal("nonsense").starts_with("invalid JSON: "));
  CHECK(refused_item("") == "could not parse item 0: trust domain is required");
  CHECK(refused_item(R"("trustDomain":"two.test")") == "could not parse item 0: bundle endpoint URL is required");
  CHECK(refused_item(R"("trustDomain":"two.test","bundleEndpointURL":"u","bundleEndpointProfile":"web")") ==
        R"(could not parse item 0: unknown bundle endpoint profile type: "web")");
  const std::string spiffe =
      R"("trustDomain":"two.test","bundleEndpointURL":"u","bundleEndpointProfile":"https_spiffe")";
  CHECK(refused_item(spiffe) ==
        "could not parse item 0: endpoint SPIFFE ID is required if 'https_spiffe' endpoint profile is set");
  CHECK(refused_item(spiffe + R"(,"endpointSPIFFEID":"two.test")")
            .starts_with("could not parse item 0: cannot parse bundle endpoint SPIFFE ID: "));
  CHECK(refused_item(kItem + std::string(R"(,"trustDomainBundle":"x")")) ==
        R"(could not parse item 0: cannot parse bundle raw message: bundle format "" is unsupported)");
  CHECK(refused_item(kItem + std::string(R"(,"trustDomainBundleFormat":"pem","trustDomainBundle":{})"))
            .starts_with("could not parse item 0: cannot parse bundle raw message: trustDomainBundle: "));
  CHECK(refused_item(kItem + std::string(R"(,"bundle":1)")) ==
        R"(could not parse item 0: federation relationship: unknown key "bundle")");
}

TEST_CASE("Federation commands refuse flags that do not go together before they call the server") {
  auto error_of = [](Words words) {
    FakeTerminal terminal;
    CHECK(run_command_line(words, terminal) == 1);
    CHECK(terminal.out_text.empty());
    return terminal.err_text;
  };
  CHECK(error_of({"federation", "create"}) == "Error: trust domain is required\n");
  CHECK(error_of({"federation", "update", "-data", "-", "-trustDomain", "two.test"}) ==
        "Error: cannot use other flags to specify relationship fields when 'data' flag is set\n");
  CHECK(error_of({"federation", "show"}) == "Error: a trust domain name is required\n");
  CHECK(error_of({"federation", "delete"}) == "Error: id is required\n");
  CHECK(error_of({"federation", "refresh"}) == "Error: id is required\n");
}
