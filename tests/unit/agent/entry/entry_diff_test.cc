#include "agent/entry/entry_diff.h"

#include <catch2/catch.hpp>

#include "tests/fakes/entries.h"

using namespace steeple;
using namespace steeple::agent;
using tests::make_entry;

namespace {

EntryDiff put_all(EntrySet& set, std::vector<RegistrationEntry> entries) {
  EntryUpdate update(set);
  for (RegistrationEntry& entry : entries) update.put(std::move(entry));
  return update.commit();
}

RegistrationEntry with_revision(RegistrationEntry entry, std::int64_t revision, std::int64_t created_at = 0) {
  entry.revision_number = revision;
  entry.created_at = created_at;
  return entry;
}

}  // namespace

TEST_CASE("EntryUpdate tells created, updated, removed and unchanged apart") {
  EntrySet set;
  CHECK(put_all(set, {make_entry("a", "/a", {"t:1"}), make_entry("b", "/b", {"t:2"})}).created.size() == 2);
  EntryDiff diff = put_all(set, {make_entry("b", "/b2", {"t:2"}), make_entry("c", "/c", {"t:3"})});
  REQUIRE(diff.created.size() == 1);
  CHECK(diff.created[0]->id == "c");
  REQUIRE(diff.updated.size() == 1);
  CHECK(diff.updated[0].before->spiffe_id.path() == "/b");
  CHECK(diff.updated[0].after->spiffe_id.path() == "/b2");
  REQUIRE(diff.removed.size() == 1);
  CHECK(diff.removed[0]->id == "a");
  CHECK(put_all(set, {make_entry("b", "/b2", {"t:2"}), make_entry("c", "/c", {"t:3"})}).empty());
}

TEST_CASE("EntryUpdate that is not committed changes nothing") {
  EntrySet set;
  put_all(set, {make_entry("a", "/a", {"t:1"})});
  {
    EntryUpdate broken(set);
    broken.put(make_entry("b", "/b", {"t:2"}));
  }
  CHECK(set.size() == 1);
  CHECK(set.find("b") == nullptr);
  CHECK(put_all(set, {make_entry("a", "/a", {"t:1"})}).empty());
}

TEST_CASE("EntryUpdate needs entries that are unknown, revised or re-created") {
  EntrySet set;
  put_all(set, {with_revision(make_entry("a", "/a", {"t:1"}), 3, 100)});
  EntryUpdate update(set);
  CHECK(update.see_revision("new", 0, 0));
  CHECK_FALSE(update.see_revision("a", 3, 100));
  CHECK(update.see_revision("a", 4, 100));
  CHECK(update.see_revision("a", 3, 101));
  CHECK_FALSE(update.see_revision("a", 3, 0));  // a server before 1.12.0
}

TEST_CASE("EntryUpdate keeps an entry whose revision was seen but which never came") {
  EntrySet set;
  put_all(set, {with_revision(make_entry("a", "/a", {"t:1"}), 1)});
  EntryUpdate update(set);
  CHECK(update.see_revision("a", 2, 0));
  CHECK(update.commit().empty());
  CHECK(set.find("a") != nullptr);
}

TEST_CASE("EntrySet counts the trust domains its entries federate with") {
  EntrySet set;
  RegistrationEntry a = make_entry("a", "/a", {"t:1"});
  a.federates_with = {tests::trust_domain("one.test"), tests::trust_domain("two.test")};
  RegistrationEntry b = make_entry("b", "/b", {"t:1"});
  b.federates_with = {tests::trust_domain("two.test")};
  put_all(set, {a, b});
  CHECK(set.federated_trust_domains().size() == 2);
  put_all(set, {b});
  REQUIRE(set.federated_trust_domains().size() == 1);
  CHECK(set.federated_trust_domains()[0].name() == "two.test");
  put_all(set, {});
  CHECK(set.federated_trust_domains().empty());
}

TEST_CASE("workload_part leaves out entries for SVID stores and follows those that turn into one") {
  auto plain = tests::shared(make_entry("a", "/a", {"t:1"}));
  RegistrationEntry stored_entry = make_entry("a", "/a", {"t:1"});
  stored_entry.store_svid = true;
  auto stored = tests::shared(stored_entry);
  CHECK(workload_part(tests::created({stored})).empty());
  CHECK(workload_part(tests::removed(stored)).empty());
  CHECK(workload_part(tests::updated(plain, stored)).removed.size() == 1);
  CHECK(workload_part(tests::updated(stored, plain)).created.size() == 1);
  CHECK(workload_part(tests::updated(stored, stored)).empty());
}

TEST_CASE("combine gives what two diffs change together") {
  auto a1 = tests::shared(make_entry("a", "/a1", {"t:1"}));
  auto a2 = tests::shared(make_entry("a", "/a2", {"t:1"}));
  auto a3 = tests::shared(make_entry("a", "/a3", {"t:1"}));
  CHECK(combine(tests::created({a1}), tests::removed(a1)).empty());
  CHECK(combine(tests::created({a1}), tests::updated(a1, a2)).created.at(0) == a2);
  EntryDiff twice = combine(tests::updated(a1, a2), tests::updated(a2, a3));
  REQUIRE(twice.updated.size() == 1);
  CHECK((twice.updated[0].before == a1 && twice.updated[0].after == a3));
  CHECK(combine(tests::updated(a1, a2), tests::removed(a2)).removed.at(0) == a1);
  CHECK(combine(tests::removed(a1), tests::created({a2})).updated.at(0).before == a1);
  CHECK(combine(EntryDiff(), tests::created({a1})).created.size() == 1);
}
