#include <catch2/catch.hpp>

#include "agent/node/agent_svid.h"
#include "agent/node/bootstrap_progress.h"
#include "agent/node/bundle_source.h"
#include "agent/node/retry_schedule.h"

namespace steeple::agent {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;
using runtime::SteadyTime;
using runtime::WallTime;

namespace {

const WallTime kNow{std::chrono::seconds(1767323045)};  // 2026-01-02T03:04:05Z
double middle() { return 0.5; }

BootstrapState state_of(BootstrapUse use) {
  BootstrapState state;
  state.use = use;
  return state;
}

}  // namespace

TEST_CASE("Bootstrap progress starts from what is stored") {
  CHECK_FALSE(BootstrapProgress({}, false).rebootstrapping());
  CHECK(BootstrapProgress({}, true).rebootstrapping());
  CHECK_FALSE(BootstrapProgress(state_of(BootstrapUse::kBootstrap), true).rebootstrapping());
  CHECK(BootstrapProgress(state_of(BootstrapUse::kRebootstrap), false).rebootstrapping());
}

TEST_CASE("Bootstrap progress counts attempts from the first one on") {
  BootstrapProgress progress({}, false);
  CHECK(progress.success_text(kNow) == "Success after 2562047h47m16.854775807s attempts=0");
  progress.begin_attempt(kNow);
  CHECK(progress.attempt_text() == "Server attestation attempt 1. Started 2026-01-02T03:04:05Z.");
  progress.begin_attempt(kNow + 5s);
  CHECK(progress.attempt_text() == "Server attestation attempt 2. Started 2026-01-02T03:04:05Z.");
  CHECK(progress.success_text(kNow + 1200ms) == "Success after 1.2s attempts=2");
  progress.succeed();
  CHECK(progress.state() == state_of(BootstrapUse::kRebootstrap));
  CHECK_FALSE(progress.clock_runs());
  progress.force_rebootstrap(kNow);
  CHECK(progress.clock_runs());
  progress.begin_attempt(kNow);
  CHECK(progress.attempt_text() == "Server reattestation attempt 1. Started 2026-01-02T03:04:05Z.");
}

TEST_CASE("A server that the bundle does not lead to is met as the mode says") {
  BootstrapProgress fresh({}, false);
  CHECK(untrusted_at_attestation(fresh, RebootstrapMode::kAuto, 10min, kNow).action ==
        UntrustedAction::kBootstrapAgain);
  CHECK_FALSE(fresh.clock_runs());

  BootstrapProgress known({}, true);
  CHECK(untrusted_at_attestation(known, RebootstrapMode::kNever, 10min, kNow).action == UntrustedAction::kBackOff);
  CHECK(untrusted_at_sync(known, RebootstrapMode::kNever, 10min, kNow).action == UntrustedAction::kBackOff);
  CHECK_FALSE(known.clock_runs());

  for (RebootstrapMode mode : {RebootstrapMode::kAuto, RebootstrapMode::kAlways}) {
    BootstrapProgress progress({}, true);
    UntrustedVerdict first = untrusted_at_attestation(progress, mode, 10min, kNow);
    CHECK(first.action == UntrustedAction::kIgnoreForNow);
    CHECK(first.time_left == 10min);
    UntrustedVerdict second = untrusted_at_sync(progress, mode, 10min, kNow + 9min);
    CHECK(second.action == UntrustedAction::kIgnoreForNow);
    CHECK(second.time_left == 1min);
    CHECK(untrusted_at_sync(progress, mode, 10min, kNow + 10min).action == UntrustedAction::kRebootstrap);
  }
}

TEST_CASE("Rebootstrapping needs a method that can attest again") {
  CHECK(parse_rebootstrap_mode("").value() == RebootstrapMode::kNever);
  CHECK(parse_rebootstrap_mode("always").value() == RebootstrapMode::kAlways);
  CHECK(parse_rebootstrap_mode("x").error().message() == "unknown rebootstrap mode specified: x");
  CHECK(check_rebootstrap_mode(RebootstrapMode::kAuto, true, false).value().downgraded);
  CHECK(check_rebootstrap_mode(RebootstrapMode::kAuto, true, false).value().mode == RebootstrapMode::kNever);
  CHECK(check_rebootstrap_mode(RebootstrapMode::kAuto, true, true).value().mode == RebootstrapMode::kAuto);
  CHECK_FALSE(check_rebootstrap_mode(RebootstrapMode::kNever, true, false).value().downgraded);
  CHECK(check_rebootstrap_mode(RebootstrapMode::kAlways, false, false));
  CHECK(check_rebootstrap_mode(RebootstrapMode::kAlways, true, false).error().message() == kRebootstrapNotAllowed);
}

TEST_CASE("Retries back off from the server, but keep looking for one that is away") {
  SteadyTime now{1h};
  RetrySchedule schedule(kLocalFailureMax, middle, now);
  CHECK(schedule.next(RetryCause::kRemote, now) == 5s);
  CHECK(schedule.next(RetryCause::kRemote, now) == 7500ms);
  CHECK(schedule.next(RetryCause::kUnreachable, now) == 4s);
  for (int i = 0; i < 100; ++i) CHECK(schedule.next(RetryCause::kUnreachable, now += 1h) == 4s);
  for (int i = 0; i < 100; ++i) REQUIRE(schedule.next(RetryCause::kRemote, now += 1h));
  CHECK(schedule.next(RetryCause::kRemote, now) == 120s);
  schedule.reset(now);
  CHECK(schedule.next(RetryCause::kRemote, now) == 5s);
}

TEST_CASE("Retries while the server is away spread over a range") {
  SteadyTime now{1h};
  double draw = 0;
  RetrySchedule schedule(kLocalFailureMax, [&draw] { return draw; }, now);
  CHECK(schedule.next(RetryCause::kUnreachable, now) == kUnreachableRetryMin);
  draw = 0.999999;
  CHECK(schedule.next(RetryCause::kUnreachable, now) > kUnreachableRetryMax - 1ms);
  CHECK(schedule.next(RetryCause::kUnreachable, now) <= kUnreachableRetryMax);
}

TEST_CASE("Retries end after a minute of nothing to show, as with the SPIRE agent") {
  SteadyTime now{1h};
  RetrySchedule schedule(kLocalFailureMax, middle, now);
  int attempts = 0;
  while (auto wait = schedule.next(RetryCause::kLocal, now)) {
    now += *wait;
    ++attempts;
  }
  CHECK(attempts == 4);  // five attempts, then the end
  now += 1h;
  CHECK(schedule.next(RetryCause::kRemote, now));  // another cause begins anew
  CHECK(schedule.next(RetryCause::kLocal, now) == 5s);
}

TEST_CASE("A bundle helper behind a Unix socket is told of the attempt") {
  BundleSourceOptions options;
  options.trust_domain = TrustDomain::parse("example.org").value();
  options.server_address = "spire server";
  options.server_port = 8081;
  options.trust_bundle_url = "http://host/bundle?b=2&a=1&flag#part";
  BootstrapState state = state_of(BootstrapUse::kBootstrap);
  state.start_time = kNow;
  state.connection_attempts = 3;
  CHECK(bundle_url(options, state) == options.trust_bundle_url);
  options.trust_bundle_unix_socket = "/run/helper.sock";
  CHECK(bundle_url(options, state) ==
        "http://host/bundle?a=1&b=2&flag=&spiffe-trust-domain=example.org&spire-attest-mode=bootstrap"
        "&spire-attest-start-time=2026-01-02T03%3A04%3A05Z&spire-connection-attempts=3"
        "&spire-server-address=spire+server&spire-server-port=8081");
  options.trust_bundle_url = "http://host/bundle";
  state.use = BootstrapUse::kRebootstrap;
  CHECK(bundle_url(options, state)
            .starts_with("http://host/bundle?spiffe-trust-domain=example.org&spire-attest-mode=rebootstrap&"));
}

}  // namespace steeple::agent
