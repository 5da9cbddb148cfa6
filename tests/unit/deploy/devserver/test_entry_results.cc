#include <catch2/catch.hpp>

#include "deploy/devserver/cli/entry_results.h"
#include "spire/api/server/entry/v1/entry.pb.h"
#include "tests/unit/deploy/devserver/entries.h"
#include "tests/unit/deploy/devserver/fake_terminal.h"

using namespace steeple::devserver;
namespace v1 = spire::api::server::entry::v1;

namespace {

void set_status(spire::api::types::Status& status, int code, const std::string& message) {
  status.set_code(code);
  status.set_message(message);
}

// One entry is made, one is there already: its result comes with the entry that exists.
struct TwoCreated {
  v1::BatchCreateEntryRequest request;
  v1::BatchCreateEntryResponse response;

  TwoCreated() {
    *request.add_entries() = make_entry("", "/node", "/new", "uid:1");
    *request.add_entries() = make_entry("", "/node", "/old", "uid:2");
    auto* created = response.add_results();
    *created->mutable_entry() = make_entry("id-1", "/node", "/new", "uid:1");
    set_status(*created->mutable_status(), 0, "OK");
    auto* refused = response.add_results();
    *refused->mutable_entry() = make_entry("id-of-the-old", "/node", "/old", "uid:2");
    set_status(*refused->mutable_status(), 6, "similar entry already exists");
  }
};

}  // namespace

TEST_CASE("What was created is printed, then what failed as it was asked for") {
  TwoCreated two;
  FakeTerminal terminal;
  auto printed = print_created(two.request, two.response, false, terminal);
  REQUIRE_FALSE(printed);
  CHECK(printed.error().message() == "failed to create one or more entries");
  CHECK(terminal.out_text ==
        "Entry ID                : id-1\n"
        "SPIFFE ID               : spiffe://example.org/new\n"
        "Parent ID               : spiffe://example.org/node\n"
        "Revision                : 0\n"
        "X509-SVID TTL           : default\n"
        "JWT-SVID TTL            : default\n"
        "Selector                : unix:uid:1\n"
        "\n");
  CHECK(terminal.err_text ==
        "Failed to create the following entry (code: AlreadyExists, msg: \"similar entry already exists\"):\n"
        "Entry ID                : (none)\n"
        "SPIFFE ID               : spiffe://example.org/old\n"
        "Parent ID               : spiffe://example.org/node\n"
        "Revision                : 0\n"
        "X509-SVID TTL           : default\n"
        "JWT-SVID TTL            : default\n"
        "Selector                : unix:uid:2\n"
        "\n");
}

TEST_CASE("As JSON, results are one line with sorted keys, and a failure is no error of the command") {
  TwoCreated two;
  FakeTerminal terminal;
  CHECK(print_created(two.request, two.response, true, terminal));
  CHECK(terminal.err_text.empty());
  std::string common =
      R"("expires_at":"0","federates_with":[],"hint":"","id":"@ID","jwt_svid_ttl":0,)"
      R"("parent_id":{"path":"/node","trust_domain":"example.org"},"revision_number":"0",)"
      R"("selectors":[{"type":"unix","value":"uid:@UID"}],)"
      R"("spiffe_id":{"path":"/@NAME","trust_domain":"example.org"},"store_svid":false,"x509_svid_ttl":0})";
  auto entry = [&](const std::string& id, const std::string& uid, const std::string& name) {
    std::string text = R"({"entry":{"admin":false,"created_at":"0","dns_names":[],"downstream":false,)" + common;
    text.replace(text.find("@ID"), 3, id);
    text.replace(text.find("@UID"), 4, uid);
    text.replace(text.find("@NAME"), 5, name);
    return text;
  };
  CHECK(terminal.out_text == R"({"results":[)" + entry("id-1", "1", "new") +
                                 R"(,"status":{"code":0,"message":"OK"}},)" + entry("", "2", "old") +
                                 R"(,"status":{"code":6,"message":"similar entry already exists"}}]})" + "\n");
}

TEST_CASE("An answer with another number of results is refused") {
  TwoCreated two;
  two.request.mutable_entries()->RemoveLast();
  FakeTerminal terminal;
  CHECK_FALSE(print_created(two.request, two.response, false, terminal));
  CHECK(terminal.out_text.empty());
}

TEST_CASE("Deletions are counted") {
  v1::BatchDeleteEntryResponse response;
  auto add = [&](const std::string& id, int code, const std::string& message) {
    auto* result = response.add_results();
    result->set_id(id);
    set_status(*result->mutable_status(), code, message);
  };
  add("a", 0, "OK");
  FakeTerminal all;
  CHECK(print_deleted(response, false, all));
  CHECK(all.out_text == "Deleted entry with ID: a\n\n\nDeleted 1 entries successfully");
  add("b", 5, "entry not found");
  FakeTerminal some;
  auto printed = print_deleted(response, false, some);
  REQUIRE_FALSE(printed);
  CHECK(printed.error().message() == "failed to delete one or more entries");
  CHECK(some.out_text ==
        "Deleted entry with ID: a\n\n\n\n\nDeleted 1 entries successfully, but failed to delete 1 entries");
  CHECK(some.err_text == "Failed to delete entry with ID b (code: NotFound, msg: \"entry not found\")\n");
  FakeTerminal json;
  CHECK(print_deleted(response, true, json));
  CHECK(json.out_text == R"({"results":[{"id":"a","status":{"code":0,"message":"OK"}},)"
                         R"({"id":"b","status":{"code":5,"message":"entry not found"}}]})"
                         "\n");
}

TEST_CASE("Found and counted entries agree with their number") {
  FakeTerminal terminal;
  print_found({}, false, terminal);
  print_found({make_entry("1", "/a", "/b", "uid:1")}, false, terminal);
  print_count(1, false, terminal);
  print_count(2, false, terminal);
  print_count(2, true, terminal);
  print_found({}, true, terminal);
  CHECK(terminal.out_text.starts_with("Found 0 entries\nFound 1 entry\nEntry ID                : 1\n"));
  CHECK(terminal.out_text.ends_with(
      "\n\n1 registration entry\n2 registration entries\n{\"count\":2}\n{\"entries\":[],\"next_page_token\":\"\"}\n"));
}
