#include "deploy/devserver/notifiers/bundle_notifier.h"

#include "runtime/core/backoff.h"
#include "runtime/core/go_text.h"

namespace steeple::devserver {

using runtime::Deadline;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

void BundleNotifier::bundle_is(std::uint64_t sequence_number) {
  if (sequence_number_ == sequence_number) return;
  sequence_number_ = sequence_number;
  changed_.notify();
}

Deadline BundleNotifier::next_look(runtime::SteadyTime now) const {
  const K8sBundleConfig& config = bundle_.config();
  bool labels = !config.webhook_label.empty() || !config.api_service_label.empty();
  return labels ? Deadline::after(now, kLabelsInterval) : Deadline::never();
}

Task<void> BundleNotifier::run(StopToken stop) {
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
    Result<void> changed = co_await changed_.wait(next, stop);
    if (changed) event = "bundle updated";
    tell = changed.has_value() || !published;
  }
}

}  // namespace steeple::devserver
