#include <catch2/catch.hpp>

#include "deploy/devserver/cli/entry_json.h"
#include "deploy/devserver/cli/entry_text.h"
#include "spire/api/types/entry.pb.h"

using namespace steeple::devserver;

namespace {

std::string refusal(const std::string& json) {
  auto entries = parse_entries(json);
  return entries ? "" : entries.error().message();
}

std::string entry_with(const std::string& members) {
  return R"({"entries":[{"spiffe_id":"spiffe://example.org/a","parent_id":"spiffe://example.org/b",)" + members + "}]}";
}

}  // namespace

TEST_CASE("A file of registration entries is read whole") {
  auto entries = parse_entries(R"({"entries":[
    {"entry_id":"one","spiffe_id":"spiffe://example.org/web","parent_id":"spiffe://example.org/node",
     "selectors":[{"type":"k8s","value":"ns:default"},{"type":"k8s","value":"sa:web"}],
     "x509_svid_ttl":60,"jwt_svid_ttl":30,"entryExpiry":1900000000,"federates_with":["spiffe://other.test","two.test"],
     "dns_names":["a.test"],"admin":true,"downstream":true,"store_svid":true,"hint":"h",
     "additional_attributes":{"disable_x509_svid_prefetch":true,"jwt_svid_include_jti":true}},
    {"spiffe_id":"spiffe://example.org/x","parent_id":"spiffe://example.org/spire/server",
     "selectors":[{"type":"x509pop","value":"subject:cn:n"}]}]})");
  REQUIRE(entries);
  REQUIRE(entries->size() == 2);
  CHECK(format_entry(entries->front()) ==
        "Entry ID                : one\n"
        "SPIFFE ID               : spiffe://example.org/web\n"
        "Parent ID               : spiffe://example.org/node\n"
        "Revision                : 0\n"
        "Downstream              : true\n"
        "X509-SVID TTL           : 60\n"
        "JWT-SVID TTL            : 30\n"
        "Expiration time         : 2030-03-17 17:46:40 +0000 UTC\n"
        "Selector                : k8s:ns:default\n"
        "Selector                : k8s:sa:web\n"
        "FederatesWith           : other.test\n"
        "FederatesWith           : two.test\n"
        "DNS name                : a.test\n"
        "Admin                   : true\n"
        "StoreSvid               : true\n"
        "Hint                    : h\n"
        "DisableX509SvidPrefetch : true\n"
        "JwtSvidIncludeJti       : true\n"
        "\n");
  CHECK(entries->back().parent_id().path() == "/spire/server");
}

TEST_CASE("Bad registration entries are refused by what is wrong") {
  CHECK(refusal("{}").empty());  // no entries: the server is asked to create none
  CHECK(refusal("").starts_with("invalid JSON: "));
  CHECK(refusal(R"({"entries":{}})") == "entries: unexpected type of value");
  CHECK(refusal(R"({"entries":[{"parent_id":"spiffe://example.org/b"}]})") == "entry: missing spiffe_id");
  CHECK(refusal(R"({"entries":[{"spiffe_id":"spiffe://example.org/b"}]})") == "entry: missing parent_id");
  CHECK(refusal(R"({"entries":[{"spiffe_id":"x","parent_id":"y"}]})") ==
        "invalid SPIFFE ID: scheme is missing or invalid");
  CHECK(refusal(entry_with(R"("ttl":60)")) == "entry: unknown key \"ttl\"");
  CHECK(refusal(entry_with(R"("admin":"yes")")) == "admin: unexpected type of value");
  CHECK(refusal(entry_with(R"("x509_svid_ttl":4294967296)")) ==
        "invalid value for x509_svid_ttl: overflow converting 4294967296 to int32");
  CHECK(refusal(entry_with(R"("federates_with":["spiffe://"])")).starts_with("invalid federated trust domain: "));
}

TEST_CASE("Entry IDs to delete come from a file, too") {
  auto ids = parse_entry_ids(R"({"ids":["a","b"]})");
  REQUIRE(ids);
  CHECK(*ids == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(parse_entry_ids(R"({"ids":[1]})"));
  CHECK_FALSE(parse_entry_ids(R"(["a"])"));
}
