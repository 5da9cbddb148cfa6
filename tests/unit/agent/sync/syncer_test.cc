#include "agent/sync/syncer.h"

#include <catch2/catch.hpp>

#include "agent/sync/taint_watch.h"
#include "tests/fakes/entries.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_server_client.h"

using namespace steeple;
using namespace steeple::agent;
using namespace std::chrono_literals;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
using tests::make_entry;
using tests::selectors_of;

namespace {

ServerError server_error(ServerErrorClass error_class, const std::string& text) {
  return ServerError(error_class, runtime::Error(runtime::ErrorCode::kUnavailable, text));
}

struct Fixture {
  explicit Fixture(SyncerOptions options = {}) : workers(loop, 1, 1000), server(loop, clock), group(loop) {
    options.trust_domain = tests::trust_domain("example.org");
    options.agent_version = "1.15.3";
    SyncerEvents events;
    events.own_bundle_changed = [this](const SharedBundle& bundle) { stored = bundle; };
    events.authorities_tainted = [this](const runtime::Certificates& authorities) { tainted = authorities.size(); };
    syncer.emplace(
        loop, clock, workers, server, options, events,
        runtime::Logger(runtime::make_string_sink(&log), runtime::LogLevel::kDebug, runtime::LogFormat::kText));
  }
  ~Fixture() {
    group.close(runtime::StopReason::kShutdown);
    until([&] { return group.size() == 0; });
  }
  void start() { group.spawn(run_syncer(this)); }
  static runtime::Task<void> run_syncer(Fixture* f) { f->end = co_await f->syncer->run(f->group.token()); }

  // Turns the loop until the condition holds; false after 10 s.
  bool until(const std::function<bool()>& condition) {
    const auto give_up = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > give_up) return false;
      loop.io().restart();
      loop.io().run_one_for(20ms);
    }
    return true;
  }

  struct Fetch {
    bool done = false;
    std::optional<runtime::Error> error;
    std::unique_ptr<Subscription> subscription;
    std::shared_ptr<const WorkloadUpdate> update;
  };
  static runtime::Task<void> fetch(Fixture* f, attestation::Selectors selectors, runtime::Deadline deadline,
                                   Fetch* out) {
    auto subscription = co_await f->syncer->subscribe(std::move(selectors), deadline, f->group.token());
    if (subscription) {
      out->subscription = std::move(*subscription);
      auto update = co_await out->subscription->next(deadline, f->group.token());
      if (update) out->update = *update;
      if (!update) out->error = update.error();
    } else {
      out->error = subscription.error();
    }
    out->done = true;
  }
  void start_fetch(std::initializer_list<std::string> selectors, Fetch& out,
                   runtime::Deadline deadline = runtime::Deadline::in(60s)) {
    group.spawn(fetch(this, selectors_of(selectors), deadline, &out));
  }
  std::size_t svids() { return syncer->cache().counts().svids; }
  bool logged(const std::string& part) const { return log.find(part) != std::string::npos; }

  runtime::Loop loop;
  tests::FakeClock clock;
  runtime::WorkerPool workers;
  tests::FakeServerClient server;
  std::string log;
  SharedBundle stored;
  std::size_t tainted = 0;
  std::optional<SyncEnd> end;
  runtime::TaskGroup group;
  std::optional<Syncer> syncer;
};

SyncerOptions often() {
  SyncerOptions options;
  options.sync_interval = 10ms;
  return options;
}

}  // namespace

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

TEST_CASE("Syncer tells a caller's entries without their SVIDs, and the bundles of those that have one") {
  Fixture f;
  RegistrationEntry federated = make_entry("e1", "/web", {"unix:uid:1"});
  federated.federates_with = {tests::trust_domain("partner.test")};
  f.server.put(federated);
  f.server.put(make_entry("e2", "/other", {"unix:uid:2"}));
  f.server.federated.emplace(tests::trust_domain("partner.test"), Bundle(tests::trust_domain("partner.test")));
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
  federated.federates_with = {tests::trust_domain("partner.test"), tests::trust_domain("unknown.test")};
  f.server.put(federated);
  f.server.federated.emplace(tests::trust_domain("partner.test"), Bundle(tests::trust_domain("partner.test")));
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
  for (const auto& batch : f.server.batches) CHECK(batch.size() <= 500);
}

TEST_CASE("Syncer refuses wrong answers, keeps the last good SVID and serves the others") {
  Fixture f(often());
  f.server.put(make_entry("bad", "/bad", {"t:bad"}));
  f.server.put(make_entry("good", "/good", {"t:good"}));
  f.start();
  REQUIRE(f.until([&] { return f.svids() == 2; }));
  const SharedX509Svid last_good = f.syncer->cache().svid_of("bad");
  std::string reason;
  auto wrong_for = [&](std::function<MintedChain(const runtime::Csr&)> wrong) {
    f.server.mint_instead = [&f, wrong](const CsrItem& item, const runtime::Csr& csr) {
      return item.entry_id == "bad" ? wrong(csr) : f.server.sign(csr);
    };
  };
  const auto now = f.clock.wall_now();
  SECTION("for another key") {
    wrong_for([&](const runtime::Csr&) -> MintedChain {
      return f.server.authority.svid("spiffe://example.org/bad")->chain();
    });
    reason = "leaf certificate does not match private key";
  }
  SECTION("for another SPIFFE ID") {
    wrong_for([&](const runtime::Csr& csr) -> MintedChain {
      return runtime::to_bytes(
          f.server.authority.sign(csr.public_key, "spiffe://example.org/evil", now, now + 1h).der());
    });
    reason = "X509-SVID is for spiffe://example.org/evil instead of spiffe://example.org/bad";
  }
  SECTION("expired") {
    wrong_for([&](const runtime::Csr& csr) -> MintedChain {
      return runtime::to_bytes(f.server.authority.sign(csr.public_key, csr.uri_sans[0], now - 2h, now - 1h).der());
    });
    reason = "X509-SVID has already expired at ";
  }
  SECTION("truncated") {
    wrong_for([&](const runtime::Csr& csr) -> MintedChain {
      MintedChain chain = f.server.sign(csr);
      chain->resize(chain->size() - 7);
      return chain;
    });
    reason = "Refused the X509-SVID the server issued";
  }
  SECTION("refused by the server") {
    wrong_for([](const runtime::Csr&) -> MintedChain { return Status(StatusCode::kNotFound, "entry not found"); });
  }
  for (const char* id : {"bad", "good"}) f.server.entries.at(id).revision_number = 1;
  const SharedX509Svid old_good = f.syncer->cache().svid_of("good");
  REQUIRE(f.until([&] { return f.syncer->cache().svid_of("good") != old_good; }));
  CHECK(f.syncer->cache().svid_of("bad") == last_good);
  CHECK(f.logged(reason));
  // The refused one is tried again by itself, after its pause.
  f.server.mint_instead = {};
  REQUIRE(f.until([&] { return f.syncer->cache().svid_of("bad") != last_good; }));
}

TEST_CASE("Syncer keeps everything while the server is away, and recovers") {
  Fixture f(often());
  f.server.put(make_entry("e1", "/web", {"t:1"}));
  f.start();
  REQUIRE(f.until([&] { return f.svids() == 1; }));
  f.server.fail_entries = server_error(ServerErrorClass::kUnreachable,
                                       "failed to fetch authorized entries: rpc error: code = Unavailable desc = away");
  REQUIRE(f.until([&] {
    return f.logged(
        "level=error msg=\"Synchronize failed\" error=\"failed to fetch authorized entries: rpc error: "
        "code = Unavailable desc = away\" subsystem_name=manager");
  }));
  Fixture::Fetch fetch;
  f.start_fetch({"t:1"}, fetch);
  Fixture::Fetch unknown;
  f.start_fetch({"t:2"}, unknown);  // no early pass now: the last answer stands
  REQUIRE(f.until([&] { return fetch.done && unknown.done; }));
  CHECK(fetch.update->identities().size() == 1);
  CHECK(unknown.update->identities().empty());
  CHECK_FALSE(f.end);
  f.server.put(make_entry("e2", "/new", {"t:2"}));
  f.server.fail_entries.reset();
  REQUIRE(f.until([&] { return f.svids() == 2; }));
}

TEST_CASE("Syncer tries again until the server is there at the start") {
  Fixture f;
  f.server.fail_entries = server_error(ServerErrorClass::kUnreachable, "away");
  f.start();
  REQUIRE(f.until(
      [&] { return f.logged("level=warning msg=\"Failed to initialize manager\" error=away retry_interval="); }));
  CHECK_FALSE(f.syncer->synced());
  f.server.fail_entries.reset();
  REQUIRE(f.until([&] { return f.syncer->synced(); }));
}

TEST_CASE("Syncer ends with what the owner has to act upon, and can be run again") {
  struct Case {
    ServerErrorClass error_class;
    SyncOutcome outcome;
  };
  for (const Case& one : {Case{ServerErrorClass::kReattest, SyncOutcome::kNeedsReattestation},
                          Case{ServerErrorClass::kBanned, SyncOutcome::kBanned},
                          Case{ServerErrorClass::kUnknownAuthority, SyncOutcome::kUnknownAuthority}}) {
    Fixture f(often());
    f.server.put(make_entry("e1", "/web", {"t:1"}));
    f.start();
    REQUIRE(f.until([&] { return f.svids() == 1; }));
    f.server.fail_bundle = server_error(one.error_class, "no");
    REQUIRE(f.until([&] { return f.end.has_value(); }));
    CHECK(f.end->outcome == one.outcome);
    CHECK(f.svids() == 1);
    f.server.fail_bundle.reset();
    f.server.put(make_entry("e2", "/more", {"t:2"}));
    f.end.reset();
    f.start();
    REQUIRE(f.until([&] { return f.svids() == 2; }));
    CHECK(f.server.statuses_posted == 1);
  }
}

TEST_CASE("Syncer stops when it is told to") {
  Fixture f;
  f.start();
  f.group.close(runtime::StopReason::kShutdown);
  REQUIRE(f.until([&] { return f.end.has_value(); }));
  CHECK(f.end->outcome == SyncOutcome::kStopped);
}

TEST_CASE("Syncer does not lose entries of a pass whose bundles failed") {
  Fixture f(often());
  f.start();
  REQUIRE(f.until([&] { return f.syncer->synced(); }));
  f.server.fail_bundle = server_error(ServerErrorClass::kUnreachable, "no bundle");
  f.server.put(make_entry("e1", "/web", {"t:1"}));
  const int syncs = f.server.syncs;
  REQUIRE(f.until([&] { return f.server.syncs > syncs; }));
  CHECK(f.syncer->cache().counts().entries == 0);
  f.server.fail_bundle.reset();
  REQUIRE(f.until([&] { return f.svids() == 1; }));
}

TEST_CASE("Syncer fetches federated bundles, passing over the own trust domain") {
  Fixture f(often());
  RegistrationEntry entry = make_entry("e1", "/web", {"t:1"});
  entry.federates_with = {tests::trust_domain("example.org"), tests::trust_domain("missing.test"),
                          tests::trust_domain("partner.test")};
  tests::SigningAuthority partner("partner.test");
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

TEST_CASE("Syncer refuses an own bundle that is another's or empty, and keeps the good one") {
  Fixture f(often());
  f.start();
  REQUIRE(f.until([&] { return f.stored != nullptr; }));
  const SharedBundle good = f.stored;
  SECTION("of another trust domain") { f.server.bundle = tests::SigningAuthority("evil.test").bundle(); }
  SECTION("without authorities") { f.server.bundle = Bundle(tests::trust_domain("example.org")); }
  REQUIRE(f.until([&] { return f.logged("Synchronize failed"); }));
  CHECK(f.stored == good);
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
  f.server.authority = tests::SigningAuthority("example.org");
  f.server.bundle = f.server.authority.bundle(2);
  f.server.bundle.add_x509_authority(old_authority, true);
  REQUIRE(f.until([&] { return f.syncer->cache().svid_of("e1") != first; }));
  CHECK(f.tainted == 1);
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

TEST_CASE("Syncer asks for smaller batches after a failed call and gets there") {
  Fixture f(often());
  for (int i = 0; i < 20; ++i) f.server.put(make_entry("e" + std::to_string(i), "/w", {"t:1"}));
  f.server.fail_mint = server_error(ServerErrorClass::kOther, "failed to batch new X509 SVID(s): no");
  f.start();
  REQUIRE(f.until([&] { return f.logged("level=error msg=\"SVID sync failed\""); }));
  f.server.fail_mint.reset();
  REQUIRE(f.until([&] { return f.svids() == 20; }));
}
