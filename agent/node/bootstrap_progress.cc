#include "agent/node/bootstrap_progress.h"

#include <fmt/format.h>

#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Result<RebootstrapMode> parse_rebootstrap_mode(std::string_view text) {
  if (text.empty() || text == "never") return RebootstrapMode::kNever;
  if (text == "auto") return RebootstrapMode::kAuto;
  if (text == "always") return RebootstrapMode::kAlways;
  return Error(ErrorCode::kInvalidArgument, fmt::format("unknown rebootstrap mode specified: {}", text));
}

Result<CheckedMode> check_rebootstrap_mode(RebootstrapMode mode, bool has_svid, bool reattestable) {
  if (mode == RebootstrapMode::kNever || !has_svid || reattestable) return CheckedMode{mode, false};
  if (mode == RebootstrapMode::kAlways)
    return Error(ErrorCode::kFailedPrecondition, std::string(kRebootstrapNotAllowed));
  return CheckedMode{RebootstrapMode::kNever, true};
}

BootstrapProgress::BootstrapProgress(BootstrapState stored, bool has_bundle) : state_(std::move(stored)) {
  if (state_.use == BootstrapUse::kUnspecified) {
    state_.use = has_bundle ? BootstrapUse::kRebootstrap : BootstrapUse::kBootstrap;
  }
}

void BootstrapProgress::begin_attempt(runtime::WallTime now) {
  ++state_.connection_attempts;
  start_clock(now);
}

void BootstrapProgress::start_clock(runtime::WallTime now) {
  if (!state_.start_time) state_.start_time = now;
}

void BootstrapProgress::succeed() {
  state_ = BootstrapState();
  state_.use = BootstrapUse::kRebootstrap;
}

void BootstrapProgress::force_rebootstrap(runtime::WallTime now) {
  succeed();
  state_.start_time = now;
}

std::string BootstrapProgress::success_text(runtime::WallTime now) const {
  // Without a start the SPIRE agent subtracts year 1 and prints the longest duration there is; scripts have seen it.
  auto took = state_.start_time ? std::chrono::nanoseconds(now - *state_.start_time) : std::chrono::nanoseconds::max();
  return fmt::format("Success after {} attempts={}", runtime::go_duration(took), state_.connection_attempts);
}

std::string BootstrapProgress::attempt_text() const {
  return fmt::format("Server {} attempt {}. Started {}.", rebootstrapping() ? "reattestation" : "attestation",
                     state_.connection_attempts, runtime::rfc3339(state_.start_time.value_or(runtime::WallTime())));
}

UntrustedVerdict untrusted_at_attestation(BootstrapProgress& progress, RebootstrapMode mode,
                                          std::chrono::nanoseconds delay, runtime::WallTime now) {
  if (!progress.rebootstrapping()) return {UntrustedAction::kBootstrapAgain, {}};
  return untrusted_at_sync(progress, mode, delay, now);
}

UntrustedVerdict untrusted_at_sync(BootstrapProgress& progress, RebootstrapMode mode, std::chrono::nanoseconds delay,
                                   runtime::WallTime now) {
  if (mode == RebootstrapMode::kNever) return {UntrustedAction::kBackOff, {}};
  progress.start_clock(now);
  std::chrono::nanoseconds waited = now - *progress.state().start_time;
  if (waited < delay) return {UntrustedAction::kIgnoreForNow, delay - waited};
  return {UntrustedAction::kRebootstrap, {}};
}

}  // namespace steeple::agent
