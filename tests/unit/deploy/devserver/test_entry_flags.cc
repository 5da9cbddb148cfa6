#include <catch2/catch.hpp>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/entry_flags.h"
#include "deploy/devserver/cli/entry_text.h"
#include "spire/api/server/entry/v1/entry.pb.h"
#include "tests/unit/deploy/devserver/fake_terminal.h"

using namespace steeple;
using namespace steeple::devserver;
using spire::api::types::Entry;
namespace v1 = spire::api::server::entry::v1;

namespace {

// The flags as they come from a command line; a parse error fails the test.
EntryFlags parsed(EntryVerb verb, const Words& words) {
  EntryFlags flags(verb);
  agent::FlagSet set("entry");
  flags.add_to(set);
  auto rest = set.parse(words);
  REQUIRE(rest);
  return flags;
}

// What is wrong with a command line, before or while the entry is made; "" for nothing.
std::string refusal(EntryVerb verb, const Words& words) {
  EntryFlags flags = parsed(verb, words);
  auto checked = flags.check();
  if (!checked) return checked.error().message();
  auto entry = flags.entry();
  return entry ? "" : entry.error().message();
}

}  // namespace

TEST_CASE("entry create says what is missing in SPIRE's words and order") {
  auto create = [](const Words& words) { return refusal(EntryVerb::kCreate, words); };
  CHECK(create({}) == "at least one selector is required");
  CHECK(create({"-selector", "unix:uid:1"}) == "a parent ID is required if the node flag is not set");
  CHECK(create({"-selector", "unix:uid:1", "-node", "-federatesWith", "other.test"}) ==
        "node entries can not federate");
  CHECK(create({"-selector", "unix:uid:1", "-node"}) == "a SPIFFE ID is required");
  Words good = {
      "-selector", "unix:uid:1", "-parentID", "spiffe://example.org/a", "-spiffeID", "spiffe://example.org/b"};
  CHECK(create(good).empty());
  auto with = [&](Words more) {
    more.insert(more.begin(), good.begin(), good.end());
    return create(more);
  };
  CHECK(with({"-x509SVIDTTL", "-1"}) == "a positive x509-SVID TTL is required");
  CHECK(with({"-jwtSVIDTTL", "-1"}) == "a positive JWT-SVID TTL is required");
  CHECK(with({"-selector", "unix"}) == "selector \"unix\" must be formatted as type:value");
  CHECK(with({"-x509SVIDTTL", "2147483648"}) ==
        "invalid value for X509 SVID TTL: overflow converting 2147483648 to int32");
  CHECK(with({"-spiffeID", "example.org"}) == "scheme is missing or invalid");
  // With -data, nothing else counts.
  CHECK(parsed(EntryVerb::kCreate, {"-data", "file"}).check());
}

TEST_CASE("entry update needs the entry's ID, and has no -node") {
  auto update = [](const Words& words) { return refusal(EntryVerb::kUpdate, words); };
  CHECK(update({}) == "entry ID is required");
  CHECK(update({"-entryID", "1"}) == "at least one selector is required");
  CHECK(update({"-entryID", "1", "-selector", "a:b"}) == "a parent ID is required");
  CHECK(update({"-entryID", "1", "-selector", "a:b", "-parentID", "spiffe://example.org/a"}) ==
        "a SPIFFE ID is required");
  EntryFlags flags(EntryVerb::kUpdate);
  agent::FlagSet set("entry update");
  flags.add_to(set);
  auto refused = set.parse({"-node"});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message() == "flag provided but not defined: -node");
}

TEST_CASE("Every flag of entry create reaches the entry") {
  EntryFlags flags = parsed(EntryVerb::kCreate, {"-entryID",
                                                 "my-id",
                                                 "-parentID",
                                                 "spiffe://example.org/node",
                                                 "-spiffeID",
                                                 "spiffe://example.org/web",
                                                 "-selector",
                                                 "k8s:ns:default",
                                                 "-selector",
                                                 "k8s:sa:a:b",
                                                 "-federatesWith",
                                                 "spiffe://one.test",
                                                 "-federatesWith",
                                                 "two.test",
                                                 "-dns",
                                                 "a.test",
                                                 "-dns",
                                                 "b.test",
                                                 "-hint",
                                                 "internal",
                                                 "-x509SVIDTTL",
                                                 "60",
                                                 "-jwtSVIDTTL",
                                                 "30",
                                                 "-entryExpiry",
                                                 "1900000000",
                                                 "-admin",
                                                 "-downstream",
                                                 "-storeSVID",
                                                 "-disableX509SVIDPrefetch",
                                                 "-jwtSVIDIncludeJTI"});
  auto entry = flags.entry();
  REQUIRE(entry);
  CHECK(format_entry(*entry) ==
        "Entry ID                : my-id\n"
        "SPIFFE ID               : spiffe://example.org/web\n"
        "Parent ID               : spiffe://example.org/node\n"
        "Revision                : 0\n"
        "Downstream              : true\n"
        "X509-SVID TTL           : 60\n"
        "JWT-SVID TTL            : 30\n"
        "Expiration time         : 2030-03-17 17:46:40 +0000 UTC\n"
        "Selector                : k8s:ns:default\n"
        "Selector                : k8s:sa:a:b\n"
        "FederatesWith           : spiffe://one.test\n"
        "FederatesWith           : two.test\n"
        "DNS name                : a.test\n"
        "DNS name                : b.test\n"
        "Admin                   : true\n"
        "StoreSvid               : true\n"
        "Hint                    : internal\n"
        "DisableX509SvidPrefetch : true\n"
        "JwtSvidIncludeJti       : true\n"
        "\n");
}

TEST_CASE("A node entry's parent is the server, whatever -parentID says") {
  EntryFlags flags = parsed(EntryVerb::kCreate, {"-node", "-parentID", "spiffe://example.org/ignored", "-spiffeID",
                                                 "spiffe://example.org/nodes", "-selector", "x509pop:subject:cn:n"});
  auto entry = flags.entry();
  REQUIRE(entry);
  CHECK(entry->parent_id().trust_domain() == "example.org");
  CHECK(entry->parent_id().path() == "/spire/server");
}

TEST_CASE("The filter of entry show names what it cannot read") {
  auto refusal_of = [](const Words& words) {
    EntryFilterFlags flags;
    agent::FlagSet set("entry show");
    flags.add_to(set, "show");
    REQUIRE(set.parse(words));
    v1::ListEntriesRequest::Filter filter;
    auto filled = flags.fill(filter);
    return filled ? "" : filled.error().message();
  };
  CHECK(refusal_of({"-parentID", "x"}) == "error parsing parent ID \"x\": scheme is missing or invalid");
  CHECK(refusal_of({"-spiffeID", "x"}) == "error parsing SPIFFE ID \"x\": scheme is missing or invalid");
  CHECK(refusal_of({"-selector", "x"}) == "error parsing selectors: selector \"x\" must be formatted as type:value");
  CHECK(refusal_of({"-selector", "a:b", "-matchSelectorsOn", "some"}) == "match behavior \"some\" unknown");
  CHECK(refusal_of({"-federatesWith", "a.test", "-matchFederatesWithOn", "x"}) == "match behavior \"x\" unknown");
  // Without selectors, how they would match is not looked at.
  CHECK(refusal_of({"-matchSelectorsOn", "some"}).empty());
}

TEST_CASE("-output takes pretty and json in any case, once") {
  auto outcome = [](Outputs outputs, const Words& words) {
    FakeTerminal terminal;
    ClientCommand command("entry show", outputs);
    bool ran = false;
    command.run(words, terminal, [&](const std::string&) -> runtime::Result<void> {
      ran = true;
      return {};
    });
    return ran ? std::string(command.json() ? "json" : "pretty")
               : terminal.err_text.substr(0, terminal.err_text.find('\n'));
  };
  CHECK(outcome(Outputs::kPrettyAndJson, {}) == "pretty");
  CHECK(outcome(Outputs::kPrettyAndJson, {"-output", "JSON"}) == "json");
  CHECK(outcome(Outputs::kPrettyAndJson, {"-output", "prettyprint"}) == "pretty");
  CHECK(outcome(Outputs::kPrettyAndJson, {"-output", "json", "-output", "json"}) == "json");
  CHECK(outcome(Outputs::kPrettyAndJson, {"-output", "xml"}) ==
        "invalid value \"xml\" for flag -output: bad formatter flag: unknown format option: \"xml\"");
  CHECK(outcome(Outputs::kPrettyAndJson, {"-output", "json", "-output", "pretty"}) ==
        "invalid value \"pretty\" for flag -output: the output format has already been set to \"json\"");
  CHECK(outcome(Outputs::kPrettyOnly, {"-output", "json"}) ==
        "invalid value \"json\" for flag -output: json is not available for this command in steeple-devserver");
}
