// How far the agent is on the way to trusting its server (server-sync 1.3): bootstrap or rebootstrap, since when, how
// many attempts. Sans I/O; the owner stores state() after each change. Also the decisions of 1.7 when the server's
// certificate has no path to the bundle, which need nothing else. The clock survives restarts, since it is stored.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "agent/config/rebootstrap_mode.h"
#include "agent/storage/agent_data.h"
#include "runtime/core/clock.h"
#include "runtime/core/result.h"

namespace steeple::agent {

// "never", "auto", "always"; empty is never. `unknown rebootstrap mode specified: %s`.
runtime::Result<RebootstrapMode> parse_rebootstrap_mode(std::string_view text);

// Rebootstrapping deletes the SVID, so it needs a method that can attest again (server-sync 1.4): `always` is then an
// error, `auto` becomes `never`. Tells by `downgraded` whether the latter happened, for the log.
struct CheckedMode {
  RebootstrapMode mode;
  bool downgraded;
};
runtime::Result<CheckedMode> check_rebootstrap_mode(RebootstrapMode mode, bool has_svid, bool reattestable);
inline constexpr std::string_view kRebootstrapNotAllowed =
    "you have requested rebootstrap support but the NodeAttestor plugin or the spire server configuration is not "
    "allowing it";

class BootstrapProgress {
 public:
  BootstrapProgress(BootstrapState stored, bool has_bundle);

  const BootstrapState& state() const { return state_; }
  bool rebootstrapping() const { return state_.use == BootstrapUse::kRebootstrap; }
  bool clock_runs() const { return state_.start_time.has_value(); }

  void begin_attempt(runtime::WallTime now);  // a configured source is about to be read
  void start_clock(runtime::WallTime now);    // unless it runs
  void succeed();
  void force_rebootstrap(runtime::WallTime now);  // the owner drops SVID and bundle, too

  // "Success after 1.2s attempts=1", before succeed().
  std::string success_text(runtime::WallTime now) const;
  // "Server attestation attempt 1. Started 2026-01-02T03:04:05Z.", after begin_attempt().
  std::string attempt_text() const;

 private:
  BootstrapState state_;
};

// What to do about a server that our bundle does not lead to.
enum class UntrustedAction { kBackOff, kBootstrapAgain, kIgnoreForNow, kRebootstrap };
class UntrustedVerdict {
 public:
  UntrustedVerdict(UntrustedAction what, std::chrono::nanoseconds left) : action(what), time_left(left) {}
  UntrustedAction action;
  std::chrono::nanoseconds time_left;  // of kIgnoreForNow
};
// While attesting: with bootstrap sources the next attempt reads them anew anyway. Starts the clock where 1.7 says so.
UntrustedVerdict untrusted_at_attestation(BootstrapProgress& progress, RebootstrapMode mode,
                                          std::chrono::nanoseconds delay, runtime::WallTime now);
// Later: at the first sync and from then on.
UntrustedVerdict untrusted_at_sync(BootstrapProgress& progress, RebootstrapMode mode, std::chrono::nanoseconds delay,
                                   runtime::WallTime now);

}  // namespace steeple::agent
