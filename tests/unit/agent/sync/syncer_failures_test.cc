// The server is away, answers wrongly, or tells the agent to go.
#include "tests/unit/agent/sync/syncer_fixture.h"

using namespace steeple;
using namespace steeple::tests;
using Fixture = SyncerFixture;

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

TEST_CASE("Syncer refuses an own bundle that is another's or empty, and keeps the good one") {
  Fixture f(often());
  f.start();
  REQUIRE(f.until([&] { return f.stored != nullptr; }));
  const SharedBundle good = f.stored;
  SECTION("of another trust domain") { f.server.bundle = SigningAuthority("evil.test").bundle(); }
  SECTION("without authorities") { f.server.bundle = Bundle(trust_domain("example.org")); }
  REQUIRE(f.until([&] { return f.logged("Synchronize failed"); }));
  CHECK(f.stored == good);
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
