// What is signed, in which order, and what is let go (server-sync 4.3 to 4.5).
#include "tests/unit/agent/cache/cache_fixture.h"

using namespace steeple;
using namespace steeple::agent;
using tests::CacheFixture;
using tests::created;
using tests::make_entry;
using tests::removed;
using tests::shared;
using tests::updated;

namespace {

std::vector<std::string> ids(const std::vector<WantedSvid>& wanted) {
  std::vector<std::string> result;
  for (const WantedSvid& one : wanted) result.push_back(one.entry->id);
  return result;
}

SharedEntry revised(const SharedEntry& entry, std::int64_t revision, std::int64_t created_at = 0) {
  RegistrationEntry changed = *entry;
  changed.revision_number = revision;
  changed.created_at = created_at;
  return shared(changed);
}

}  // namespace

TEST_CASE("X509Cache wants what callers wait for first, then what has subscribers, then the rest") {
  CacheFixture f;
  auto plain = shared(make_entry("a", "/a", {"unix:uid:1"}));
  auto active = shared(make_entry("b", "/b", {"unix:uid:2"}));
  auto awaited = shared(make_entry("c", "/c", {"unix:uid:3"}));
  auto reader = f.reader({"unix:uid:2"});
  reader->news();  // it has had its first update, without identities
  f.update(created({plain, active, awaited}));
  CHECK_FALSE(f.cache.has_wanted(MintPriority::kAwaited, f.clock.now()));
  auto waiter = f.reader({"unix:uid:3"});
  CHECK(f.cache.has_wanted(MintPriority::kAwaited, f.clock.now()));
  CHECK(ids(f.take(MintPriority::kAwaited)) == std::vector<std::string>{"c"});
  CHECK(ids(f.take(MintPriority::kActive)) == std::vector<std::string>{"b"});
  CHECK(ids(f.take()) == std::vector<std::string>{"a"});
  CHECK(f.take().empty());  // all are out
  CHECK(f.cache.counts().wanted == 3);
}

TEST_CASE("X509Cache tells when something is wanted, and how much") {
  CacheFixture f;
  std::vector<MintPriority> told;
  f.cache.on_wanted([&](MintPriority priority) { told.push_back(priority); });
  auto entry = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({entry}));
  CHECK(told == std::vector<MintPriority>{MintPriority::kPrefetch});
  auto waiter = f.reader({"unix:uid:1"});
  CHECK(told.back() == MintPriority::kAwaited);
}

TEST_CASE("X509Cache limits what is taken at once") {
  CacheFixture f;
  std::vector<SharedEntry> entries;
  for (int i = 0; i < 7; ++i) entries.push_back(shared(make_entry("e" + std::to_string(i), "/e", {"t:1"})));
  f.update(created(entries));
  CHECK(f.take(MintPriority::kPrefetch, 5).size() == 5);
  CHECK(f.take(MintPriority::kPrefetch, 5).size() == 2);
}

TEST_CASE("X509Cache offers a refused entry again when its time has come") {
  CacheFixture f;
  const auto start = std::chrono::steady_clock::now();
  f.clock.set_steady(start);
  f.update(created({shared(make_entry("a", "/a", {"unix:uid:1"}))}));
  REQUIRE(f.take().size() == 1);
  f.cache.mint_failed("a", start + std::chrono::seconds(10));
  CHECK(f.cache.next_retry() == start + std::chrono::seconds(10));
  CHECK_FALSE(f.cache.has_wanted(MintPriority::kPrefetch, f.clock.now()));
  CHECK(f.take().empty());
  f.clock.set_steady(start + std::chrono::seconds(10));
  CHECK(f.cache.has_wanted(MintPriority::kPrefetch, f.clock.now()));
  CHECK(f.take().size() == 1);
  CHECK_FALSE(f.cache.next_retry());
}

TEST_CASE("X509Cache signs anew what was revised, re-created or renamed") {
  CacheFixture f;
  auto entry = revised(shared(make_entry("a", "/a", {"unix:uid:1"})), 1, 100);
  f.update(created({entry}));
  f.sign_all();
  SECTION("revision") {
    f.update(updated(entry, revised(entry, 2, 100)));
    CHECK(f.logged("Updating SVIDs with outdated attributes in cache"));
    CHECK(f.logged("outdated_svids=1"));
  }
  SECTION("same revision, other creation time") { f.update(updated(entry, revised(entry, 1, 200))); }
  SECTION("same revision, other SPIFFE ID") {
    auto renamed = revised(shared(make_entry("a", "/z", {"unix:uid:1"})), 1, 100);
    f.update(updated(entry, renamed));
  }
  auto wanted = f.take();
  REQUIRE(wanted.size() == 1);
  CHECK(wanted[0].expires_at.has_value());  // a renewal
  CHECK(f.cache.svid_of("a") != nullptr);   // served meanwhile
}

TEST_CASE("X509Cache leaves an SVID alone when only flags change") {
  CacheFixture f;
  auto entry = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({entry}));
  f.sign_all();
  RegistrationEntry changed = *entry;
  changed.hint = "h";
  f.update(updated(entry, shared(changed)));
  CHECK(f.take().empty());
}

TEST_CASE("X509Cache does not take an answer for what the entry was") {
  CacheFixture f;
  auto before = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({before}));
  REQUIRE(f.take().size() == 1);
  SECTION("renamed meanwhile: the answer is for another name") {
    auto after = revised(shared(make_entry("a", "/z", {"unix:uid:1"})), 1);
    f.update(updated(before, after));
    f.sign(before);
    CHECK(f.cache.svid_of("a") == nullptr);
    CHECK(f.take().size() == 1);
  }
  SECTION("revised meanwhile: served, and signed again") {
    f.update(updated(before, revised(before, 1)));
    f.sign(before);
    CHECK(f.cache.svid_of("a") != nullptr);
    CHECK(f.take().size() == 1);
  }
  SECTION("removed meanwhile") {
    f.update(removed(before));
    f.sign(before);
    CHECK(f.cache.counts().svids == 0);
    CHECK(f.logged("msg=\"Entry not found\""));
    CHECK(f.take().empty());
    CHECK(f.cache.counts().wanted == 0);
  }
}

TEST_CASE("X509Cache prefetches up to its limit and honours the opt-out") {
  CacheFixture f(3);
  std::vector<SharedEntry> entries;
  for (int i = 0; i < 5; ++i)
    entries.push_back(shared(make_entry("e" + std::to_string(i), "/e", {"t:" + std::to_string(i)})));
  RegistrationEntry lazy = make_entry("lazy", "/lazy", {"unix:uid:9"});
  lazy.disable_x509_svid_prefetch = true;
  auto lazy_entry = shared(lazy);
  f.update(created({lazy_entry}));
  CHECK(f.cache.counts().wanted == 0);
  f.update(created(entries));
  CHECK(f.cache.counts().wanted == 3);
  f.sign_all();
  f.update({});
  CHECK(f.cache.counts().wanted == 0);
  SECTION("a subscriber gets its SVID whatever the limit") {
    auto waiter = f.reader({"unix:uid:9"});
    CHECK(f.sign_all() == std::vector<std::string>{"lazy"});
    CHECK(waiter->news() == tests::News{{"lazy"}});
    CHECK(f.cache.counts().svids == 3);  // one that nobody asked for made room
  }
  SECTION("an SVID that was not to be signed in advance goes with who asked for it") {
    auto waiter = f.reader({"unix:uid:9"});
    f.sign_all();
    waiter.reset();
    CHECK(f.cache.svid_of("lazy") == nullptr);
    CHECK(f.cache.counts().wanted == 0);
    auto next = f.reader({"unix:uid:9"});
    CHECK(f.sign_all() == std::vector<std::string>{"lazy"});
    CHECK(next->news() == tests::News{{"lazy"}});
  }
  SECTION("who leaves before it is signed takes the wish along") {
    f.reader({"unix:uid:9"}).reset();
    CHECK(f.cache.counts().wanted == 0);
  }
}

TEST_CASE("X509Cache evicts what was asked for longest ago, never what has subscribers") {
  CacheFixture f(2);
  std::vector<SharedEntry> entries;
  for (int i = 0; i < 4; ++i)
    entries.push_back(shared(make_entry("e" + std::to_string(i), "/e", {"t:" + std::to_string(i)})));
  f.update(created(entries));
  std::vector<std::unique_ptr<tests::Reader>> readers;
  for (const char* selector : {"t:2", "t:0", "t:1", "t:3"}) readers.push_back(f.reader({selector}));
  f.sign_all();
  CHECK(f.cache.counts().svids == 4);
  f.update({});
  CHECK(f.cache.counts().svids == 4);  // all have subscribers
  readers[0].reset();
  readers[1].reset();
  readers[2].reset();
  f.update({});
  CHECK(f.cache.counts().svids == 2);
  CHECK(f.cache.svid_of("e2") == nullptr);  // the first of the three
  CHECK(f.cache.svid_of("e0") == nullptr);
  CHECK(f.cache.svid_of("e1") != nullptr);
  CHECK(f.cache.svid_of("e3") != nullptr);
  CHECK(f.logged("Removing SVID record"));
}

TEST_CASE("X509Cache keeps to its limit between sync passes, and each caller still gets what it asks for") {
  CacheFixture f(2);
  std::vector<SharedEntry> entries;
  for (int i = 0; i < 20; ++i)
    entries.push_back(shared(make_entry("e" + std::to_string(i), "/e", {"t:" + std::to_string(i)})));
  f.update(created(entries));
  f.sign_all();
  CHECK(f.cache.counts().svids == 2);
  for (int i = 0; i < 20; ++i) {
    auto reader = f.reader({"t:" + std::to_string(i)});
    f.sign_all();
    CHECK(reader->news() == tests::News{{"e" + std::to_string(i)}});
    reader.reset();
    CHECK(f.cache.counts().svids == 2);
  }
  CHECK(f.cache.svid_of("e19") != nullptr);
}

TEST_CASE("X509Cache rotates when it is time, and serves and counts what expires unrenewed") {
  CacheFixture f;
  auto entry = shared(make_entry("a", "/a", {"unix:uid:1"}));
  f.update(created({entry}));
  f.sign_all();
  REQUIRE(f.cache.next_due());
  CHECK(*f.cache.next_due() == f.clock.wall_now() + std::chrono::minutes(30));
  CHECK(f.cache.mark_due(f.clock.wall_now()) == 0);
  f.clock.advance_wall(std::chrono::minutes(31));
  CHECK(f.cache.mark_due(f.clock.wall_now()) == 1);
  CHECK(f.cache.mark_due(f.clock.wall_now()) == 0);
  REQUIRE(f.take().size() == 1);
  f.cache.mint_failed("a", f.clock.now());

  f.clock.advance_wall(std::chrono::minutes(30));
  CHECK(f.cache.mark_due(f.clock.wall_now()) == 0);
  CHECK(f.cache.counts().expired == 1);
  CHECK(f.logged("X509-SVID has expired and is still served"));
  auto reader = f.reader({"unix:uid:1"});
  CHECK(reader->news() == tests::News{{"a"}});
  CHECK_FALSE(f.cache.next_due());

  REQUIRE(f.take().size() == 1);
  f.sign(entry);
  CHECK(f.cache.counts().expired == 0);
  CHECK(f.cache.next_due());
}

TEST_CASE("X509Cache logs as the recorded agent does") {
  CacheFixture f;
  RegistrationEntry second = make_entry("id-1", "/workload/one-b", {"unix:uid:3001"});
  second.federates_with = {tests::trust_domain("partner.test")};
  second.revision_number = 1;
  auto one = shared(make_entry("id-1", "/workload/one", {"unix:uid:3001"}));
  auto two = shared(second);
  auto three = revised(shared(make_entry("id-1", "/workload/one-b", {"unix:uid:3001", "unix:gid:3001"})), 2);
  f.update(created({one}));
  f.sign_all();
  CHECK(f.logged("level=debug msg=\"Bundle added\" trust_domain_id=example.org\n"));
  CHECK(
      f.logged("level=debug msg=\"Entry created\" entry=id-1 selectors_added=1 "
               "spiffe_id=\"spiffe://example.org/workload/one\"\n"));
  CHECK(f.logged("level=debug msg=\"SVID updated\" entry=id-1 spiffe_id=\"spiffe://example.org/workload/one\"\n"));
  f.update(updated(one, two));
  CHECK(f.logged("msg=\"Entry updated\" entry=id-1 fed_add=1 spiffe_id=\"spiffe://example.org/workload/one-b\"\n"));
  f.update(updated(two, three));
  CHECK(
      f.logged("msg=\"Entry updated\" entry=id-1 fed_rem=1 selectors_added=1 "
               "spiffe_id=\"spiffe://example.org/workload/one-b\"\n"));
  f.update(removed(three));
  CHECK(f.logged("msg=\"Entry removed\" entry=id-1 spiffe_id=\"spiffe://example.org/workload/one-b\"\n"));
}

TEST_CASE("X509Cache with 20,000 entries: a change and a subscriber cost little") {
  CacheFixture f;
  std::vector<SharedEntry> entries;
  for (int i = 0; i < 20'000; ++i) {
    const std::string number = std::to_string(i);
    entries.push_back(shared(make_entry("entry-" + number, "/w/" + number, {"k8s:cluster:c", "k8s:pod:" + number})));
  }
  f.update(created(entries));
  CHECK(f.cache.counts().wanted == kX509SvidCacheMaxDefault);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 1'000; ++i) {
    f.update({});
    auto subscription = f.cache.subscribe(tests::selectors_of({"k8s:cluster:c", "k8s:pod:" + std::to_string(i)}));
  }
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));  // a walk each would take ten
}
