#include "deploy/devserver/notifiers/bundle_notifier.h"

#include <utility>

#include "runtime/core/backoff.h"
#include "runtime/core/go_text.h"
#include "runtime/task/task_group.h"

namespace steeple::devserver {

using runtime::Deadline;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

BundleNotifier::BundleNotifier(runtime::Loop& loop, K8sBundle bundle, KubeApi& watched, std::uint64_t sequence_number,
                               runtime::Logger log)
    : loop_(loop), bundle_(std::move(bundle)), log_(std::move(log)), wake_(loop), sequence_number_(sequence_number) {
  attestation::KubeListener& listener = *this;
  for (attestation::KubeWatcher::Target& target : bundle_.labelled()) {
    watchers_.push_back(std::make_unique<attestation::KubeWatcher>(loop_, watched, std::move(target), listener, log_));
  }
}

void BundleNotifier::bundle_is(std::uint64_t sequence_number) {
  if (sequence_number_ == sequence_number) return;
  sequence_number_ = sequence_number;
  updated_ = true;
  wake_.notify();
}

Deadline BundleNotifier::next_look(runtime::SteadyTime now) const {
  if (watchers_.empty()) return Deadline::never();
  bool watched = true;
  for (const auto& watcher : watchers_) watched = watched && watcher->in_step();
  return watched ? Deadline::after(now, kLabelsIntervalWatched) : Deadline::after(now, kLabelsInterval);
}

Task<void> BundleNotifier::run(StopToken stop) {
  runtime::TaskGroup watches(loop_, stop);
  for (const auto& watcher : watchers_) watches.spawn(watcher->run(watches.token()));
  co_await publish(stop);
  watches.close(runtime::StopReason::kShutdown);
  co_await watches.join();
}

Task<void> BundleNotifier::publish(StopToken stop) {
  runtime::Backoff backoff({kPublishRetryMin, kPublishRetryMax}, runtime::system_random_unit(), loop_.now());
  std::string event = "bundle loaded";
  bool tell = true;  // a look that found nothing to do is not worth a line
  while (!stop.stop_requested()) {
    Result<void> published = co_await bundle_.publish(Deadline::after(loop_.now(), kPublishTimeout), stop);
    if (stop.stop_requested()) co_return;
    Deadline next = next_look(loop_.now());
    if (published) {
      if (tell) log_.debug("Notifier handled event", {{"event", event}, {"notifier", "k8sbundle"}});
      backoff.reset(loop_.now());
    } else {
      auto wait = backoff.next(loop_.now()).value_or(kPublishRetryMax);
      log_.error("Notifier failed to handle event", {{"error", published.error()},
                                                     {"event", event},
                                                     {"notifier", "k8sbundle"},
                                                     {"retry_interval", runtime::go_duration(wait)}});
      next = Deadline::after(loop_.now(), wait);
    }
    static_cast<void>(co_await wake_.wait(next, stop));
    tell = std::exchange(updated_, false) || !published;
    if (tell && published) event = "bundle updated";
  }
}

}  // namespace steeple::devserver
