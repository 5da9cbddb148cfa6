#include <catch2/catch.hpp>

#include "deploy/devserver/datastore/entry_index.h"
#include "deploy/devserver/services/entry_query.h"
#include "spire/api/types/federateswith.pb.h"
#include "spire/api/types/selector.pb.h"
#include "tests/unit/deploy/devserver/entries.h"

using namespace steeple;
using namespace steeple::devserver;

namespace {

const std::string kAgent = "/spire/agent/join_token/t";
const std::string kAgentId = "spiffe://example.org" + kAgent;

std::vector<std::string> authorised(const EntryIndex& index, const attestation::Selectors& selectors = {},
                                    std::int64_t now = 100) {
  std::vector<std::string> ids;
  for (const EntryPtr& entry : index.authorised(kAgentId, selectors, now)) ids.push_back(entry->id());
  return ids;
}

std::vector<std::string> list(const EntryIndex& index, const EntryFilter& filter) {
  std::vector<std::string> ids;
  for (const EntryPtr& entry : list_entries(index, filter, 0, "").entries) ids.push_back(entry->id());
  return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("EntryIndex authorises an agent for everything below its ID, sorted by id") {
  EntryIndex index;
  index.put(share(make_entry("c", kAgent, "/alias", "x")));
  index.put(share(make_entry("b", "/alias", "/workload", "uid:1")));
  index.put(share(make_entry("a", "/workload", "/nested", "uid:2")));
  index.put(share(make_entry("z", "/spire/agent/join_token/other", "/foreign", "uid:1")));
  CHECK(authorised(index) == Ids{"a", "b", "c"});
}

TEST_CASE("EntryIndex ends on entries that go round in a circle") {
  EntryIndex index;
  index.put(share(make_entry("a", kAgent, "/one", "x")));
  index.put(share(make_entry("b", "/one", "/two", "x")));
  index.put(share(make_entry("c", "/two", "/one", "x")));
  CHECK(authorised(index) == Ids{"a", "b", "c"});
}

TEST_CASE("EntryIndex follows a node alias when the agent has all its selectors, without giving the alias itself") {
  EntryIndex index;
  auto alias = make_entry("alias", "/spire/server", "/cluster", "a");
  alias.add_selectors()->set_type("unix");
  alias.mutable_selectors(1)->set_value("b");
  index.put(share(alias));
  index.put(share(make_entry("workload", "/cluster", "/workload", "uid:1")));
  attestation::Selector a("unix", "a"), b("unix", "b"), c("unix", "c");
  CHECK(authorised(index).empty());
  CHECK(authorised(index, attestation::Selectors({a})).empty());
  CHECK(authorised(index, attestation::Selectors({a, b, c})) == Ids{"workload"});
}

TEST_CASE("EntryIndex leaves out expired entries and what is below them") {
  EntryIndex index;
  auto expired = make_entry("a", kAgent, "/one", "x");
  expired.set_expires_at(99);
  index.put(share(expired));
  index.put(share(make_entry("b", "/one", "/two", "x")));
  CHECK(authorised(index, {}, 100).empty());
  CHECK(authorised(index, {}, 99) == Ids{"a", "b"});
}

TEST_CASE("EntryIndex forgets the old parent of an entry that was changed, and erased entries") {
  EntryIndex index;
  index.put(share(make_entry("a", kAgent, "/one", "x")));
  index.put(share(make_entry("a", "/elsewhere", "/one", "x")));
  CHECK(authorised(index).empty());
  index.put(share(make_entry("a", kAgent, "/one", "x")));
  index.erase("a");
  CHECK(authorised(index).empty());
  CHECK(index.size() == 0);
}

TEST_CASE("EntryIndex finds the similar entry by IDs and the exact set of selectors") {
  EntryIndex index;
  index.put(share(make_entry("a", kAgent, "/one", "uid:1")));
  auto same = make_entry("", kAgent, "/one", "uid:1");
  REQUIRE(index.similar(same));
  CHECK(index.similar(same)->id() == "a");
  auto more = same;
  *more.add_selectors() = make_entry("", "", "", "uid:2").selectors(0);
  CHECK_FALSE(index.similar(more));
  CHECK_FALSE(index.similar(make_entry("", kAgent, "/two", "uid:1")));
  CHECK_FALSE(index.similar(make_entry("", "/other", "/one", "uid:1")));
}

TEST_CASE("Entry lists come in pages that miss and repeat nothing") {
  EntryIndex index;
  for (char c = 'a'; c <= 'g'; ++c) index.put(share(make_entry(std::string(1, c), kAgent, "/one", std::string(1, c))));
  EntryFilter all;
  EntryPage first = list_entries(index, all, 3, "");
  REQUIRE(first.entries.size() == 3);
  CHECK(first.next_token == "c");
  EntryPage second = list_entries(index, all, 3, first.next_token);
  CHECK(second.next_token == "f");
  index.erase("f");  // the token need not exist any more
  EntryPage third = list_entries(index, all, 3, second.next_token);
  REQUIRE(third.entries.size() == 1);
  CHECK(third.entries[0]->id() == "g");
  CHECK(third.next_token.empty());
  CHECK(list_entries(index, all, 6, "").next_token.empty());
}

TEST_CASE("Entry filters match selectors and federation exactly, as subset, superset or any") {
  EntryIndex index;
  auto one = make_entry("one", kAgent, "/one", "a");
  one.add_federates_with("p.test");
  auto two = make_entry("two", kAgent, "/two", "a");
  *two.add_selectors() = make_entry("", "", "", "b").selectors(0);
  two.add_federates_with("q.test");
  two.add_federates_with("p.test");
  two.set_downstream(true);
  two.set_hint("h");
  index.put(share(one));
  index.put(share(two));

  using Match = spire::api::types::SelectorMatch;
  EntryFilter filter;
  filter.selectors = attestation::Selectors({attestation::Selector("unix", "a")});
  filter.selector_match = Match::MATCH_EXACT;
  CHECK(list(index, filter) == Ids{"one"});
  filter.selector_match = Match::MATCH_SUPERSET;
  CHECK(list(index, filter) == Ids{"one", "two"});
  filter.selector_match = Match::MATCH_SUBSET;
  CHECK(list(index, filter) == Ids{"one"});
  filter.selectors = attestation::Selectors({attestation::Selector("unix", "b"), attestation::Selector("unix", "c")});
  filter.selector_match = Match::MATCH_ANY;
  CHECK(list(index, filter) == Ids{"two"});

  EntryFilter federated;
  federated.federates_with = {"p.test"};
  federated.federates_with_match = Match::MATCH_EXACT;
  CHECK(list(index, federated) == Ids{"one"});
  federated.federates_with_match = Match::MATCH_SUPERSET;
  CHECK(list(index, federated) == Ids{"one", "two"});
  federated.federates_with = {"q.test", "r.test"};
  federated.federates_with_match = Match::MATCH_ANY;
  CHECK(list(index, federated) == Ids{"two"});
  federated.federates_with_match = Match::MATCH_SUBSET;
  CHECK(list(index, federated).empty());

  EntryFilter downstream;
  downstream.downstream_only = true;
  CHECK(list(index, downstream) == Ids{"two"});
  EntryFilter hint;
  hint.hint = "h";
  CHECK(list(index, hint) == Ids{"two"});
}
