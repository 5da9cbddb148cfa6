#include "agent/sync/syncer.h"
#include "agent/sync/minter.h"

#include "tests/unit/agent/sync/syncer_fixture.h"

using namespace steeple;
using namespace steeple::tests;
using Fixture = SyncerFixture;

TEST_CASE("Syncer fetches, signs and serves, and logs as the recorded agent does") {
  Fixture f;
  f.server.put(make_entry("e1", "/web", {"unix:uid:1"}));
  f.start();
  Fixture::Fetch fetch;
  f.start_fetch({"unix:uid:1", "unix:gid:1"}, fetch);
  REQUIRE(f.until([&] { return fetch.done; }));
  REQUIRE(fetch.update);
  REQUIRE(fetch.update->identities().size() == 1);
  CHECK(fetch.update->identities()[0].svid().id().text() == "spiffe://example.org/web");
  CHECK(f.server.statuses_posted == 1);
  CHECK(f.stored != nullptr);
  CHECK(f.syncer->synced());
  CHECK(f.logged(
      "level=debug msg=\"Renewing stale entries\" cache_type=workload count=1 limit=500 subsystem_name=manager"));
  CHECK(
      f.logged("level=info msg=\"Creating X509-SVID\" entry_id=e1 spiffe_id=\"spiffe://example.org/web\" "
               "subsystem_name=manager"));
  CHECK(
      f.logged("level=debug msg=\"SVID updated\" entry=e1 spiffe_id=\"spiffe://example.org/web\" "
               "subsystem_name=cache_manager"));
}

TEST_CASE("Syncer tells what each pass found of the entries") {
  Fixture f;
  f.server.put(make_entry("e1", "/web", {"unix:uid:1"}));
  f.server.put(make_entry("e2", "/other", {"unix:uid:2"}));
  f.start();
  REQUIRE(f.until([&] { return f.svids() == 2; }));
  REQUIRE(f.synced.size() == 1);
  CHECK(f.synced[0].total == 2);
  CHECK(f.synced[0].missing == 2);
  CHECK(f.synced[0].bundles == 1);
  const CacheCounts counts = f.syncer->cache().counts();
  CHECK(counts.entries_added == 2);
  CHECK(counts.entries_updated == 0);
  CHECK(counts.entries_removed == 0);
}

TEST_CASE("Syncer tells a caller's entries without their SVIDs, and the bundles of those that have one") {
  Fixture f;
  RegistrationEntry federated = make_entry("e1", "/web", {"unix:uid:1"});
  federated.federates_with = {trust_domain("partner.test")};
  f.server.put(federated);
  f.server.put(make_entry("e2", "/other", {"unix:uid:2"}));
  f.server.federated.emplace(trust_domain("partner.test"), Bundle(trust_domain("partner.test")));
  f.server.fail_mint = server_error(ServerErrorClass::kOther, "not now");
  std::vector<std::string> entries;
  std::vector<std::string> bundles;
  bool done = false;
  auto ask = [](Fixture* fixture, std::vector<std::string>* ids, std::vector<std::string>* domains,
                bool* finished) -> runtime::Task<void> {
    auto found = co_await fixture->syncer->matching_entries(selectors_of({"unix:uid:1"}), runtime::Deadline::in(10s),
                                                            fixture->group.token());
    if (found) {
      for (const SharedEntry& entry : *found) ids->push_back(entry->id);
    }
    auto known = co_await fixture->syncer->bundles_of(selectors_of({"unix:uid:1"}), runtime::Deadline::in(10s),
                                                      fixture->group.token());
    if (known) {
      for (const SharedBundle& bundle : *known) domains->push_back(bundle->trust_domain().name());
    }
    *finished = true;
  };
  f.group.spawn(ask(&f, &entries, &bundles, &done));
  f.start();  // they wait for the first sync
  REQUIRE(f.until([&] { return done; }));
  CHECK(entries == std::vector<std::string>{"e1"});
  CHECK(bundles == std::vector<std::string>{"example.org"});
  CHECK(f.svids() == 0);
}

TEST_CASE("Syncer tells the bundles of a caller whose SVID is there") {
  Fixture f;
  RegistrationEntry federated = make_entry("e1", "/web", {"unix:uid:1"});
  federated.federates_with = {trust_domain("partner.test"), trust_domain("unknown.test")};
  f.server.put(federated);
  f.server.federated.emplace(trust_domain("partner.test"), Bundle(trust_domain("partner.test")));
  f.start();
  REQUIRE(f.until([&] { return f.svids() == 1; }));
  std::vector<SharedBundle> bundles = f.syncer->cache().bundles_of(selectors_of({"unix:uid:1"}));
  REQUIRE(bundles.size() == 2);
  CHECK(bundles[0]->trust_domain().name() == "example.org");
  CHECK(bundles[1]->trust_domain().name() == "partner.test");
  CHECK(f.syncer->cache().bundles_of(selectors_of({"unix:uid:2"})).size() == 1);
}

TEST_CASE("Syncer lets callers wait for the first sync instead of refusing them") {
  Fixture f;
  Fixture::Fetch fetch;
  Fixture::Fetch impatient;
  f.start_fetch({"unix:uid:1"}, fetch);
  f.start_fetch({"unix:uid:1"}, impatient, runtime::Deadline::in(1ms));
  REQUIRE(f.until([&] { return impatient.done; }));
  REQUIRE(impatient.error);
  CHECK(impatient.error->code() == runtime::ErrorCode::kDeadline);
  CHECK_FALSE(fetch.done);
  f.start();
  REQUIRE(f.until([&] { return fetch.done; }));
  CHECK(fetch.update->identities().empty());
}

TEST_CASE("Syncer makes an early pass for a caller without an entry") {
  Fixture f;
  f.start();
  REQUIRE(f.until([&] { return f.syncer->synced(); }));
  f.server.put(make_entry("e1", "/web", {"unix:uid:1"}));
  Fixture::Fetch fetch;
  f.start_fetch({"unix:uid:1"}, fetch);
  REQUIRE(f.until([&] { return fetch.done; }));
  CHECK(fetch.update->identities().size() == 1);
  CHECK(f.server.syncs == 2);  // the interval is 5 s
}

TEST_CASE("Syncer signs first what a caller waits for") {
  Fixture f;
  for (int i = 0; i < 700; ++i) f.server.put(make_entry("e" + std::to_string(i), "/w", {"t:" + std::to_string(i)}));
  Fixture::Fetch fetch;
  f.start_fetch({"t:699"}, fetch);
  f.start();
  REQUIRE(f.until([&] { return fetch.done; }));
  REQUIRE(f.server.batches.size() >= 1);
  CHECK(f.server.batches[0] == std::vector<std::string>{"e699"});
  CHECK(f.svids() < 700);
  REQUIRE(f.until([&] { return f.svids() == 700; }));
  CHECK(f.server.batches[1].size() == kOthersFirstMax);  // not hundreds before the next caller
  for (const auto& batch : f.server.batches) CHECK(batch.size() <= 500);
}

TEST_CASE("Syncer fetches federated bundles, passing over the own trust domain") {
  Fixture f(often());
  RegistrationEntry entry = make_entry("e1", "/web", {"t:1"});
  entry.federates_with = {trust_domain("example.org"), trust_domain("missing.test"), trust_domain("partner.test")};
  SigningAuthority partner("partner.test");
  f.server.federated.emplace(partner.trust_domain(), partner.bundle());
  f.server.put(entry);
  f.start();
  Fixture::Fetch fetch;
  f.start_fetch({"t:1"}, fetch);
  REQUIRE(f.until([&] { return fetch.done; }));
  CHECK(f.server.federated_asked == std::set<std::string>{"missing.test", "partner.test"});
  REQUIRE(fetch.update->federated_bundles().size() == 1);
  SECTION("a bundle that cannot be read leaves the known one in place") {
    f.server.fail_federated = ServerError(runtime::Error(runtime::ErrorCode::kMalformed, "unreadable"));
    const int syncs = f.server.syncs;
    REQUIRE(f.until([&] { return f.server.syncs > syncs + 2; }));
    CHECK(f.syncer->cache().bundles().federated().size() == 1);
  }
}

TEST_CASE("Syncer rotates an SVID that comes due, as a renewal") {
  Fixture f(often());
  f.server.put(make_entry("e1", "/web", {"t:1"}));
  f.start();
  REQUIRE(f.until([&] { return f.svids() == 1; }));
  const SharedX509Svid first = f.syncer->cache().svid_of("e1");
  f.clock.advance_wall(34min);
  f.server.entries.at("e1").hint = "touch";           // nothing that makes it outdated
  f.server.put(make_entry("e2", "/other", {"t:2"}));  // wakes the minter, which looks at the clock
  REQUIRE(f.until([&] { return f.syncer->cache().svid_of("e1") != first; }));
  CHECK(
      f.logged("level=debug msg=\"Updating expiring SVIDs in cache\" cache_type=workload expiring_svids=1 "
               "subsystem_name=manager"));
  CHECK(f.logged("level=info msg=\"Renewing X509-SVID\" entry_id=e1 expires_at="));
}

TEST_CASE("Syncer signs anew what a tainted authority signed, once") {
  Fixture f(often());
  f.server.put(make_entry("e1", "/web", {"t:1"}));
  f.start();
  REQUIRE(f.until([&] { return f.svids() == 1; }));
  const SharedX509Svid first = f.syncer->cache().svid_of("e1");
  const runtime::Certificate old_authority = f.server.authority.certificate();
  f.server.authority = SigningAuthority("example.org");
  f.server.bundle = f.server.authority.bundle(2);
  f.server.bundle.add_x509_authority(old_authority, true);
  REQUIRE(f.until([&] { return f.syncer->cache().svid_of("e1") != first; }));
  CHECK(f.tainted == 1);
  CHECK(f.tainted_svids == 1);
  CHECK(f.logged("level=debug msg=\"New tainted X.509 authorities found\" subject_key_ids="));
  CHECK(
      f.logged("level=debug msg=\"Scheduled rotation for SVID entries due to tainted X.509 authorities\" count=1 "
               "subsystem_name=cache_manager"));
  CHECK(f.logged("level=info msg=\"Tainted X.509 SVIDs\" subsystem_name=cache_manager tainted_x509_svids=1"));
  CHECK(f.logged("level=info msg=\"Finished processing all tainted entries\" subsystem_name=cache_manager"));
  const int syncs = f.server.syncs;
  const std::size_t batches = f.server.batches.size();
  REQUIRE(f.until([&] { return f.server.syncs > syncs + 3; }));
  CHECK(f.server.batches.size() == batches);
}
