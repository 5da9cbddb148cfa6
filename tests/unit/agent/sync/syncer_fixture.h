// A syncer on a fake server and a fake clock, with what it logged and stored.
#pragma once

#include <catch2/catch.hpp>

#include "agent/sync/syncer.h"
#include "tests/fakes/entries.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_server_client.h"

namespace steeple::tests {

using namespace agent;
using namespace std::chrono_literals;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

inline ServerError server_error(ServerErrorClass error_class, const std::string& text) {
  return ServerError(error_class, runtime::Error(runtime::ErrorCode::kUnavailable, text));
}

struct SyncerFixture {
  explicit SyncerFixture(SyncerOptions options = {}) : workers(loop, 1, 1000), server(loop, clock), group(loop) {
    options.trust_domain = trust_domain("example.org");
    options.agent_version = "1.15.3";
    SyncerEvents events;
    events.own_bundle_changed = [this](const SharedBundle& bundle) { stored = bundle; };
    events.authorities_tainted = [this](const runtime::Certificates& authorities) { tainted = authorities.size(); };
    events.entries_synced = [this](const EntrySyncStats& stats) { synced.push_back(stats); };
    events.x509_svids_tainted = [this](std::size_t count, std::chrono::nanoseconds) { tainted_svids += count; };
    syncer.emplace(
        loop, clock, workers, server, options, events,
        runtime::Logger(runtime::make_string_sink(&log), runtime::LogLevel::kDebug, runtime::LogFormat::kText));
  }
  ~SyncerFixture() {
    group.close(runtime::StopReason::kShutdown);
    until([&] { return group.size() == 0; });
  }
  void start() { group.spawn(run_syncer(this)); }
  static runtime::Task<void> run_syncer(SyncerFixture* f) { f->end = co_await f->syncer->run(f->group.token()); }

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
  static runtime::Task<void> fetch(SyncerFixture* f, attestation::Selectors selectors, runtime::Deadline deadline,
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
  FakeClock clock;
  runtime::WorkerPool workers;
  FakeServerClient server;
  std::string log;
  SharedBundle stored;
  std::size_t tainted = 0;
  std::vector<EntrySyncStats> synced;
  std::size_t tainted_svids = 0;
  std::optional<SyncEnd> end;
  runtime::TaskGroup group;
  std::optional<Syncer> syncer;
};

inline SyncerOptions often() {
  SyncerOptions options;
  options.sync_interval = 10ms;
  return options;
}

}  // namespace steeple::tests
