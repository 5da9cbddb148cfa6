#include "agent/server/entry_exchange.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <map>

#include "agent/server/messages.h"
#include "spire/api/server/entry/v1/entry.pb.h"
#include "tests/fakes/entries.h"

using namespace steeple;
using namespace steeple::agent;
using spire::api::server::entry::v1::SyncAuthorizedEntriesRequest;
using spire::api::server::entry::v1::SyncAuthorizedEntriesResponse;
using Action = EntryExchange::Action;

namespace {

std::string id_of(int number) { return fmt::format("entry-{:05}", number); }

void fill(spire::api::types::Entry& entry, const std::string& id, std::int64_t revision = 0) {
  entry.set_id(id);
  entry.mutable_spiffe_id()->set_trust_domain("example.org");
  entry.mutable_spiffe_id()->set_path("/" + id);
  auto& selector = *entry.add_selectors();
  selector.set_type("unix");
  selector.set_value("uid:1");
  entry.set_revision_number(revision);
}

SyncAuthorizedEntriesResponse revisions(int from, int to, bool more, std::int64_t revision = 0) {
  SyncAuthorizedEntriesResponse response;
  for (int i = from; i < to; ++i) {
    auto& one = *response.add_entry_revisions();
    one.set_id(id_of(i));
    one.set_revision_number(revision);
    one.set_created_at(1000);
  }
  response.set_more(more);
  return response;
}

// Serves what the agent asks for, as a server with pages of `page` does.
struct PagingServer {
  int page;
  std::vector<std::size_t> asked;
  SyncAuthorizedEntriesResponse answer(runtime::BytesView request) {
    SyncAuthorizedEntriesRequest ids;
    REQUIRE(ids.ParseFromArray(request.data(), static_cast<int>(request.size())));
    asked.push_back(static_cast<std::size_t>(ids.ids_size()));
    CHECK(std::is_sorted(ids.ids().begin(), ids.ids().end()));
    SyncAuthorizedEntriesResponse response;
    for (const std::string& id : ids.ids()) {
      fill(*response.add_entries(), id);
      response.mutable_entries(response.entries_size() - 1)->set_created_at(1000);
    }
    return response;
  }
};

std::string failure(EntryExchange& exchange, const SyncAuthorizedEntriesResponse& response) {
  auto action = exchange.on_response(serialize(response));
  REQUIRE_FALSE(action);
  return action.error().message();
}

}  // namespace

TEST_CASE("EntryExchange takes a first response without revisions as the whole set") {
  EntrySet set;
  EntryExchange exchange(set, {});
  SyncAuthorizedEntriesResponse response;
  fill(*response.add_entries(), "a");
  fill(*response.add_entries(), "b");
  auto action = exchange.on_response(serialize(response));
  REQUIRE(action);
  CHECK(*action == Action::kDone);
  CHECK(set.size() == 0);  // not before commit
  CHECK(exchange.commit().created.size() == 2);

  EntryExchange empty(set, {});
  CHECK(*empty.on_response({}) == Action::kDone);
  CHECK(empty.commit().removed.size() == 2);
}

TEST_CASE("EntryExchange pages through 1,200 entries and fetches only what is new") {
  EntrySet set;
  PagingServer server{500, {}};
  for (int pass = 0; pass < 2; ++pass) {
    EntryExchange exchange(set, {});
    CHECK(*exchange.on_response(serialize(revisions(700, 1200, true))) == Action::kReceive);
    CHECK(*exchange.on_response(serialize(revisions(200, 700, true))) == Action::kReceive);
    auto action = exchange.on_response(serialize(revisions(0, 200, false)));
    REQUIRE(action);
    while (*action == Action::kSend) action = exchange.on_response(serialize(server.answer(exchange.next_request())));
    CHECK(*action == Action::kDone);
    EntryDiff diff = exchange.commit();
    CHECK(diff.created.size() == (pass == 0 ? 1200u : 0u));
    CHECK(diff.updated.empty());
  }
  CHECK(server.asked == std::vector<std::size_t>{500, 500, 200});
  CHECK(set.size() == 1200);

  EntryExchange shrunk(set, {});
  CHECK(*shrunk.on_response(serialize(revisions(0, 500, false))) == Action::kDone);
  CHECK(shrunk.commit().removed.size() == 700);
}

namespace {

// One pass over pages of revisions; what it does not know it fetches.
EntryDiff pass_over(EntrySet& set, PagingServer& server, const std::vector<SyncAuthorizedEntriesResponse>& pages) {
  EntryExchange exchange(set, {});
  runtime::Result<Action> action = Action::kReceive;
  for (const auto& page : pages) {
    REQUIRE((action && *action == Action::kReceive));
    action = exchange.on_response(serialize(page));
  }
  while (action && *action == Action::kSend) {
    action = exchange.on_response(serialize(server.answer(exchange.next_request())));
  }
  REQUIRE((action && *action == Action::kDone));
  return exchange.commit();
}

}  // namespace

TEST_CASE("EntryExchange knows the pages of the last pass again, and sees what has changed in them") {
  EntrySet set;
  PagingServer server{500, {}};
  const std::vector<SyncAuthorizedEntriesResponse> pages{revisions(0, 4, true), revisions(4, 8, true),
                                                         revisions(8, 10, false)};
  CHECK(pass_over(set, server, pages).created.size() == 10);
  CHECK(set.listing().empty());  // what was fetched may be more, or less, than what was listed
  CHECK(pass_over(set, server, pages).empty());
  CHECK(set.listing().size() == 3);
  CHECK(pass_over(set, server, pages).empty());
  CHECK(set.listing().size() == 3);
  server.asked.clear();
  SECTION("the last page has an entry less") {
    EntryDiff diff = pass_over(set, server, {pages[0], pages[1], revisions(8, 9, false)});
    REQUIRE(diff.removed.size() == 1);
    CHECK(diff.removed[0]->id == id_of(9));
    CHECK(set.listing().size() == 3);
    CHECK(pass_over(set, server, pages).created.size() == 1);
  }
  SECTION("the first page has an entry less") {
    EntryDiff diff = pass_over(set, server, {revisions(1, 4, true), pages[1], pages[2]});
    REQUIRE(diff.removed.size() == 1);
    CHECK(diff.removed[0]->id == id_of(0));
  }
  SECTION("an entry in the middle was created anew") {
    auto changed = pages[1];
    changed.mutable_entry_revisions(0)->set_created_at(2000);
    static_cast<void>(pass_over(set, server, {pages[0], changed, pages[2]}));
    CHECK(server.asked == std::vector<std::size_t>{1});
  }
  SECTION("fewer pages") { CHECK(pass_over(set, server, {pages[0], revisions(4, 8, false)}).removed.size() == 2); }
  SECTION("the stream ends too early") {
    EntryExchange exchange(set, {});
    REQUIRE(*exchange.on_response(serialize(pages[0])) == Action::kReceive);
    CHECK(exchange.first_received());
  }
  SECTION("entries that went another way are not believed to be there") {
    EntryExchange other(set, {});
    REQUIRE(other.on_unary_response({}));
    CHECK(other.commit().removed.size() == 10);
    CHECK(set.listing().empty());
    CHECK(pass_over(set, server, pages).created.size() == 10);
  }
  CHECK(set.size() >= 8);
}

TEST_CASE("EntryExchange warns of malformed entries in every pass") {
  std::string log;
  runtime::Logger logger(runtime::make_string_sink(&log), runtime::LogLevel::kDebug, runtime::LogFormat::kText);
  EntrySet set;
  SyncAuthorizedEntriesResponse response;
  fill(*response.add_entries(), "bad");
  response.mutable_entries(0)->clear_selectors();
  fill(*response.add_entries(), "good");
  for (int pass = 0; pass < 3; ++pass) {
    EntryExchange exchange(set, logger);
    log.clear();
    REQUIRE(*exchange.on_response(serialize(response)) == Action::kDone);
    CHECK(exchange.commit().created.size() == (pass == 0 ? 1u : 0u));
    CHECK(log.find("Received malformed entry from SPIRE server") != std::string::npos);
  }
}

TEST_CASE("EntryExchange follows an answer that the server splits") {
  EntrySet set;
  EntryExchange exchange(set, {});
  REQUIRE(*exchange.on_response(serialize(revisions(0, 3, false))) == Action::kSend);
  exchange.next_request();
  SyncAuthorizedEntriesResponse part;
  fill(*part.add_entries(), id_of(0));
  part.set_more(true);
  CHECK(*exchange.on_response(serialize(part)) == Action::kReceive);
  part.Clear();
  fill(*part.add_entries(), id_of(1));  // the third is gone meanwhile
  CHECK(*exchange.on_response(serialize(part)) == Action::kDone);
  CHECK(exchange.commit().created.size() == 2);
}

TEST_CASE("EntryExchange fetches an entry that was re-created with the same id and revision") {
  EntrySet set;
  PagingServer server{500, {}};
  EntryExchange first(set, {});
  REQUIRE(*first.on_response(serialize(revisions(0, 2, false))) == Action::kSend);
  REQUIRE(*first.on_response(serialize(server.answer(first.next_request()))) == Action::kDone);
  first.commit();
  auto recreated = revisions(0, 2, false);
  recreated.mutable_entry_revisions(1)->set_created_at(2000);
  EntryExchange second(set, {});
  REQUIRE(*second.on_response(serialize(recreated)) == Action::kSend);
  SyncAuthorizedEntriesResponse answer = server.answer(second.next_request());
  CHECK(server.asked.back() == 1);
  answer.mutable_entries(0)->set_created_at(2000);
  REQUIRE(*second.on_response(serialize(answer)) == Action::kDone);
  CHECK(second.commit().updated.size() == 1);
}

TEST_CASE("EntryExchange refuses messages that do not belong where they come") {
  EntrySet set;
  EntryExchange exchange(set, {});
  REQUIRE(*exchange.on_response(serialize(revisions(0, 2, true))) == Action::kReceive);
  SECTION("an entry among revisions") {
    SyncAuthorizedEntriesResponse response;
    fill(*response.add_entries(), "a");
    CHECK(failure(exchange, response) == "unexpected entry in response receiving entry revisions");
  }
  SECTION("revisions among entries") {
    REQUIRE(*exchange.on_response(serialize(revisions(2, 3, false))) == Action::kSend);
    exchange.next_request();
    CHECK(failure(exchange, revisions(0, 1, false)) ==
          "unexpected entry revisions in response while requesting entries");
  }
  SECTION("bytes that are no message") {
    const runtime::Bytes truncated{0x0a, 0x20, 0x01};
    auto action = exchange.on_response(truncated);
    REQUIRE_FALSE(action);
    CHECK(action.error().code() == runtime::ErrorCode::kMalformed);
  }
  SECTION("empty pages without end") {
    SyncAuthorizedEntriesResponse page;
    page.set_more(true);
    runtime::Result<Action> action = Action::kReceive;
    for (std::size_t i = 0; action && i < 2 * kEmptyPagesMax; ++i) action = exchange.on_response(serialize(page));
    REQUIRE_FALSE(action);
    CHECK(action.error().code() == runtime::ErrorCode::kLimit);
  }
  CHECK(set.size() == 0);
}

TEST_CASE("EntryExchange logs malformed entries and revisions and goes on without them") {
  std::string log;
  runtime::Logger logger(runtime::make_string_sink(&log), runtime::LogLevel::kDebug, runtime::LogFormat::kText);
  EntrySet set;
  EntryExchange exchange(set, logger);
  SECTION("entry without selectors") {
    SyncAuthorizedEntriesResponse response;
    fill(*response.add_entries(), "bad");
    response.mutable_entries(0)->clear_selectors();
    fill(*response.add_entries(), "good");
    REQUIRE(*exchange.on_response(serialize(response)) == Action::kDone);
    CHECK(log.find("level=warning msg=\"Received malformed entry from SPIRE server; are the server and agent versions "
                   "compatible?\" entry_id=bad error=\"selector list is empty\"") != std::string::npos);
    CHECK(exchange.commit().created.size() == 1);
  }
  SECTION("negative revision") {
    auto response = revisions(0, 2, false);
    response.mutable_entry_revisions(0)->set_revision_number(-1);
    REQUIRE(*exchange.on_response(serialize(response)) == Action::kSend);
    SyncAuthorizedEntriesRequest request;
    const runtime::Bytes bytes = exchange.next_request();
    REQUIRE(request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    CHECK(request.ids_size() == 1);
    CHECK(log.find("Received malformed entry revision from SPIRE server") != std::string::npos);
  }
}
