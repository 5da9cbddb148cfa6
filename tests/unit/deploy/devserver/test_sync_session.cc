#include <catch2/catch.hpp>

#include "deploy/devserver/services/sync_session.h"
#include "spire/api/server/entry/v1/entry.pb.h"
#include "tests/unit/deploy/devserver/entries.h"

using namespace steeple::devserver;
using Request = SyncSession::Request;
using Response = SyncSession::Response;
using Responses = std::vector<Response>;

namespace {

std::vector<EntryPtr> entries(int count) {
  std::vector<EntryPtr> list;
  for (int i = 0; i < count; ++i) {
    auto entry = make_entry("id" + std::to_string(i), "/agent", "/workload", "uid:1");
    entry.set_revision_number(i);
    entry.set_created_at(1000 + i);
    entry.set_x509_svid_ttl(60);
    list.push_back(share(entry));
  }
  return list;
}

Request first_request() {
  Request request;
  request.mutable_output_mask()->set_revision_number(true);
  request.mutable_output_mask()->set_spiffe_id(true);
  return request;
}

Request request_for(std::initializer_list<const char*> ids) {
  Request request;
  for (const char* id : ids) request.add_ids(id);
  return request;
}

}  // namespace

TEST_CASE("SyncSession sends a page or less whole, masked, and ends") {
  SyncSession session(entries(3), 3);
  Responses responses;
  REQUIRE(session.on_request(first_request(), responses).is_ok());
  REQUIRE(responses.size() == 1);
  CHECK(session.finished());
  CHECK(responses[0].entry_revisions_size() == 0);
  CHECK_FALSE(responses[0].more());
  REQUIRE(responses[0].entries_size() == 3);
  CHECK(responses[0].entries(2).id() == "id2");
  CHECK(responses[0].entries(2).revision_number() == 2);
  CHECK(responses[0].entries(2).spiffe_id().path() == "/workload");
  CHECK(responses[0].entries(2).x509_svid_ttl() == 0);
  CHECK(responses[0].entries(2).selectors_size() == 0);
}

TEST_CASE("SyncSession sends an empty answer to an agent without entries") {
  SyncSession session({}, 500);
  Responses responses;
  REQUIRE(session.on_request(Request(), responses).is_ok());
  REQUIRE(responses.size() == 1);
  CHECK(responses[0].ByteSizeLong() == 0);
  CHECK(session.finished());
}

TEST_CASE("SyncSession sends revisions in pages, then the entries asked for") {
  SyncSession session(entries(5), 2);
  Responses responses;
  REQUIRE(session.on_request(first_request(), responses).is_ok());
  CHECK_FALSE(session.finished());
  REQUIRE(responses.size() == 3);
  CHECK(responses[0].more());
  CHECK(responses[1].more());
  CHECK_FALSE(responses[2].more());
  REQUIRE(responses[2].entry_revisions_size() == 1);
  CHECK(responses[2].entry_revisions(0).id() == "id4");
  CHECK(responses[2].entry_revisions(0).revision_number() == 4);
  CHECK(responses[2].entry_revisions(0).created_at() == 1004);

  // Unknown ids are left out, the order does not matter, the first mask counts.
  responses.clear();
  REQUIRE(session.on_request(request_for({"id4", "nobody", "id0", "id2", "id2"}), responses).is_ok());
  REQUIRE(responses.size() == 2);
  CHECK(responses[0].more());
  REQUIRE(responses[0].entries_size() == 2);
  CHECK(responses[0].entries(0).id() == "id0");
  CHECK(responses[0].entries(1).id() == "id2");
  CHECK_FALSE(responses[1].more());
  REQUIRE(responses[1].entries_size() == 1);
  CHECK(responses[1].entries(0).id() == "id4");
  CHECK(responses[1].entries(0).x509_svid_ttl() == 0);

  responses.clear();
  REQUIRE(session.on_request(request_for({"zzz"}), responses).is_ok());
  REQUIRE(responses.size() == 1);
  CHECK(responses[0].entries_size() == 0);
  CHECK_FALSE(responses[0].more());
}

TEST_CASE("SyncSession refuses ids in the first request and a masked revision number") {
  Responses responses;
  SyncSession with_ids(entries(1), 2);
  CHECK(with_ids.on_request(request_for({"id0"}), responses).message() ==
        "specifying IDs on initial request is not supported");
  SyncSession masked(entries(1), 2);
  Request request;
  request.mutable_output_mask()->set_hint(true);
  CHECK(masked.on_request(request, responses).message() == "revision number cannot be masked");
  CHECK(responses.empty());
}
