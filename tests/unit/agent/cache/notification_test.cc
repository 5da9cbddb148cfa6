// The table of endpoints 1.10, row by row: which change reaches which subscriber.
#include "agent/cache/subscriber_groups.h"
#include "tests/unit/agent/cache/cache_fixture.h"

using namespace steeple;
using namespace steeple::agent;
using tests::CacheFixture;
using tests::created;
using tests::make_entry;
using tests::News;
using tests::removed;
using tests::shared;
using tests::trust_domain;
using tests::updated;

namespace {

SharedEntry federating(SharedEntry entry, const std::string& name) {
  RegistrationEntry changed = *entry;
  changed.federates_with = {trust_domain(name)};
  changed.revision_number += 1;
  return shared(changed);
}

}  // namespace

TEST_CASE("Subscription without selectors gets one update and none after") {
  CacheFixture f;
  auto reader = f.reader({});
  CHECK(reader->news() == News{{}});
  CHECK(reader->last().own_bundle() != nullptr);
  f.bundles.set_own(f.own.shared_bundle(2));
  f.update({});
  CHECK(reader->news().empty());
}

TEST_CASE("Subscription without a matching entry gets an update without identities at once") {
  CacheFixture f;
  auto reader = f.reader({"unix:uid:1"});
  CHECK(reader->news() == News{{}});
}

TEST_CASE("Subscription waits until no matching entry lacks its SVID") {
  CacheFixture f;
  auto a = shared(make_entry("a", "/a", {"unix:uid:1"}));
  auto b = shared(make_entry("b", "/b", {"unix:uid:1"}));
  f.update(created({a, b}));
  auto reader = f.reader({"unix:uid:1", "unix:gid:1"});
  CHECK(reader->news().empty());
  f.sign(a);
  CHECK(reader->news().empty());
  SECTION("the last SVID arrives") {
    f.sign(b);
    CHECK(reader->news() == News{{"a", "b"}});
  }
  SECTION("the entry that lacks it goes away") {
    f.update(removed(b));
    CHECK(reader->news() == News{{"a"}});
  }
  SECTION("an unrelated bundle change does not push it early") {
    f.bundles.set_own(f.own.shared_bundle(2));
    f.update({});
    CHECK(reader->news().empty());
    f.sign(b);
    CHECK(reader->news() == News{{"a", "b"}});
  }
}

TEST_CASE("A change of the own bundle reaches all subscribers") {
  CacheFixture f;
  auto one = f.reader({"unix:uid:1"});
  auto two = f.reader({"unix:uid:2"});
  one->news();
  two->news();
  SECTION("a new sequence number is a change") {
    f.bundles.set_own(f.own.shared_bundle(2));
    f.update({});
    CHECK(one->news().size() == 1);
    CHECK(two->news().size() == 1);
    CHECK(one->last().own_bundle()->sequence_number() == 2);
    CHECK(f.logged("Bundle updated"));
  }
  SECTION("an equal bundle is none") {
    f.bundles.set_own(f.own.shared_bundle(1));
    f.update({});
    CHECK(one->news().empty());
  }
}

TEST_CASE("A created entry is pushed before its SVID exists, and again with it, to supersets only") {
  CacheFixture f;
  auto first = shared(make_entry("m", "/m", {"unix:uid:1"}));
  f.update(created({first}));
  f.sign(first);
  auto reader = f.reader({"unix:uid:1", "unix:gid:1"});
  auto other = f.reader({"unix:uid:2"});
  CHECK(reader->news() == News{{"m"}});
  other->news();
  auto second = shared(make_entry("a", "/a", {"unix:gid:1"}));
  f.update(created({second}));
  CHECK(reader->news() == News{{"m"}});
  f.sign(second);
  CHECK(reader->news() == News{{"a", "m"}});
  CHECK(other->news().empty());
}

TEST_CASE("Changed selectors reach the supersets of the old and of the new set") {
  CacheFixture f;
  auto before = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({before}));
  f.sign(before);
  auto old_owner = f.reader({"unix:uid:1"});
  auto new_owner = f.reader({"unix:uid:2"});
  auto bystander = f.reader({"unix:uid:3"});
  old_owner->news();
  new_owner->news();
  bystander->news();
  f.update(updated(before, shared(make_entry("a", "/a", {"unix:uid:2"}))));
  CHECK(old_owner->news() == News{{}});
  CHECK(new_owner->news() == News{{"a"}});
  CHECK(bystander->news().empty());
  CHECK(f.cache.counts().entries_added == 1);
  CHECK(f.cache.counts().entries_updated == 1);
}

TEST_CASE("Changed federation, and a changed federated bundle, reach the entry's subscribers") {
  CacheFixture f;
  tests::SigningAuthority partner("partner.test");
  auto plain = shared(make_entry("a", "/a", {"unix:uid:1"}));
  auto unrelated = shared(make_entry("b", "/b", {"unix:uid:2"}));
  f.update(created({plain, unrelated}));
  f.sign(plain);
  f.sign(unrelated);
  auto reader = f.reader({"unix:uid:1"});
  auto other = f.reader({"unix:uid:2"});
  reader->news();
  other->news();

  auto fed = federating(plain, "partner.test");
  f.update(updated(plain, fed));
  CHECK(reader->news().size() == 1);
  CHECK(reader->last().federated_bundles().empty());
  CHECK(f.logged("Federated bundle contents missing"));

  f.bundles.set_federated(partner.shared_bundle());
  f.update({});
  CHECK(reader->news().size() == 1);
  CHECK(reader->last().federated_bundles().size() == 1);

  f.bundles.set_federated(partner.shared_bundle(2));
  f.update({});
  CHECK(reader->news().size() == 1);

  SECTION("the disappearance of the federated bundle is no trigger") {
    f.bundles = BundleSet(f.bundles.own());
    f.update({});
    CHECK(reader->news().empty());
    CHECK(f.logged("Bundle removed"));
    auto late = f.reader({"unix:uid:1"});
    late->news();
    CHECK(late->last().federated_bundles().empty());  // who comes now sees it gone
  }
  CHECK(other->news().empty());
}

TEST_CASE("A removed entry is pushed to its subscribers") {
  CacheFixture f;
  auto entry = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({entry}));
  f.sign(entry);
  auto reader = f.reader({"unix:uid:1"});
  auto other = f.reader({"unix:uid:2"});
  CHECK(reader->news() == News{{"a"}});
  other->news();
  f.update(removed(entry));
  CHECK(reader->news() == News{{}});
  CHECK(other->news().empty());
  CHECK(f.cache.counts().entries == 0);
  CHECK(f.cache.counts().entries_removed == 1);
  CHECK(f.cache.counts().svids == 0);
}

TEST_CASE("A stored SVID is pushed, and pushes that were not read are merged") {
  CacheFixture f;
  auto entry = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({entry}));
  f.sign(entry);
  auto reader = f.reader({"unix:uid:1"});
  reader->news();
  f.sign(entry);
  f.sign(entry);
  CHECK(reader->news().size() == 1);
  f.sign(entry);
  CHECK(reader->news().size() == 1);
}

TEST_CASE("A changed hint or SPIFFE ID is pushed only with the new SVID") {
  CacheFixture f;
  auto before = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({before}));
  f.sign(before);
  auto reader = f.reader({"unix:uid:1"});
  reader->news();
  RegistrationEntry changed = make_entry("a", "/renamed", {"unix:uid:1"});
  changed.hint = "h2";
  changed.revision_number = 1;
  auto after = shared(changed);
  f.update(updated(before, after));
  CHECK(reader->news().empty());
  SECTION("until then another trigger shows the new names over the old certificate") {
    f.bundles.set_own(f.own.shared_bundle(2));
    f.update({});
    CHECK(reader->news().size() == 1);
    CHECK(reader->last().identities()[0].entry().spiffe_id.path() == "/renamed");
    CHECK(reader->last().identities()[0].svid().id().path() == "/a");
  }
  f.sign(after);
  CHECK(reader->news().size() == 1);
  CHECK(reader->last().identities()[0].svid().id().path() == "/renamed");
  CHECK(reader->last().identities()[0].entry().hint == "h2");
}

TEST_CASE("A tainted SVID is served until its successor is there, and tainting is no push") {
  CacheFixture f;
  auto entry = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({entry}));
  f.sign_all();
  auto reader = f.reader({"unix:uid:1"});
  reader->news();
  f.cache.mark_tainted("a");
  CHECK(reader->news().empty());
  auto wanted = f.take();
  REQUIRE(wanted.size() == 1);
  CHECK_FALSE(wanted[0].expires_at);  // logged as a creation, as after the recorded tainting
  f.bundles.set_own(f.own.shared_bundle(2));
  f.update({});
  CHECK(reader->news() == News{{"a"}});
  f.sign(entry);
  CHECK(reader->news() == News{{"a"}});
  CHECK(f.take().empty());
}

TEST_CASE("Subscribers with the same selectors share one update") {
  CacheFixture f;
  auto entry = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({entry}));
  f.sign_all();
  auto one = f.reader({"unix:uid:1"});
  auto two = f.reader({"unix:uid:1"});
  one->news();
  two->news();
  CHECK(&one->last() == &two->last());
  CHECK(f.cache.counts().subscribers == 2);
}

TEST_CASE("Who comes back alone finds the update it had, as long as nothing has changed") {
  CacheFixture f;
  auto entry = shared(make_entry("a", "/a", {"unix:uid:1"}));
  auto other = shared(make_entry("b", "/b", {"unix:uid:2"}));
  f.update(created({entry, other}));
  f.sign_all();
  const WorkloadUpdate* had = nullptr;
  std::shared_ptr<const X509Svid> svid_had = f.cache.svid_of("a");
  const auto come_back = [&] {
    auto reader = f.reader({"unix:uid:1"});
    CHECK(reader->news().size() == 1);
    return std::make_pair(reader->last().identities().size(), &reader->last());
  };
  had = come_back().second;
  CHECK(come_back().second == had);
  CHECK(f.cache.counts().subscribers == 0);
  f.update({});  // a pass without news
  CHECK(come_back().second == had);
  SECTION("not after a new SVID") {
    f.sign(entry);
    auto reader = f.reader({"unix:uid:1"});
    CHECK(reader->news() == News{{"a"}});
    CHECK(&reader->last().identities()[0].svid() == f.cache.svid_of("a").get());
    CHECK(f.cache.svid_of("a") != svid_had);
    CHECK(svid_had.use_count() == 1);  // nobody else keeps its key
  }
  SECTION("not after the entry has gone") {
    f.update(removed(entry));
    CHECK(come_back().first == 0);
  }
  SECTION("not after another entry has come") {
    auto second = shared(make_entry("c", "/c", {"unix:uid:1"}));
    f.update(created({second}));
    f.sign_all();
    CHECK(come_back().first == 2);
  }
  SECTION("not after a bundle has changed") {
    f.bundles.set_own(f.own.shared_bundle(2));
    f.update({});
    auto reader = f.reader({"unix:uid:1"});
    CHECK(reader->news() == News{{"a"}});
    CHECK(reader->last().own_bundle() == f.bundles.own());
  }
  SECTION("not among many others") {
    for (std::size_t i = 0; i < 2 * kRestingGroupsMax; ++i) {
      CHECK(f.reader({"unix:uid:2", "unix:gid:" + std::to_string(i)})->news() == News{{"b"}});
    }
    CHECK(come_back().first == 1);
  }
}

TEST_CASE("Who has left keeps no SVID from being evicted") {
  CacheFixture f(1);
  auto a = shared(make_entry("a", "/a", {"unix:uid:1"}));
  auto b = shared(make_entry("b", "/b", {"unix:uid:2"}));
  f.update(created({a, b}));
  f.sign_all();
  f.reader({"unix:uid:1"})->news();
  auto reader = f.reader({"unix:uid:2"});
  f.sign_all();
  CHECK(reader->news() == News{{"b"}});
  CHECK(f.cache.svid_of("a") == nullptr);
  auto again = f.reader({"unix:uid:1"});
  CHECK(again->news().empty());
  f.sign_all();
  CHECK(again->news() == News{{"a"}});
}

TEST_CASE("A subscription's wait ends with its deadline and its stop") {
  CacheFixture f;
  auto subscription = f.cache.subscribe(tests::selectors_of({"unix:uid:1"}));
  runtime::StopSource stop;
  stop.request_stop(runtime::StopReason::kPeerGone);
  std::optional<runtime::ErrorCode> code;
  runtime::TaskGroup group(f.loop);
  struct Wait {
    static runtime::Task<void> twice(Subscription* subscription, runtime::StopToken token,
                                     std::optional<runtime::ErrorCode>* code) {
      REQUIRE(co_await subscription->next(runtime::Deadline::never(), token));  // what is there is given
      auto second = co_await subscription->next(runtime::Deadline::never(), token);
      if (!second) *code = second.error().code();
    }
  };
  group.spawn(Wait::twice(subscription.get(), stop.token(), &code));
  f.loop.io().poll();
  CHECK(group.size() == 0);
  CHECK(code == runtime::ErrorCode::kCancelled);
}
