#include "deploy/devserver/services/caller_counts.h"

namespace steeple::devserver {

CallerCounts::OfCaller& CallerCounts::of(const std::string& caller_id) {
  const auto known = callers_.find(caller_id);
  if (known != callers_.end()) return known->second;
  const bool has_room = callers_.size() < kCallersMax;
  const std::string label = has_room ? caller_id : std::string(kOtherCallers);
  OfCaller& made = callers_[label];
  made.label = label;
  return made;
}

void CallerCounts::called(const std::string& caller_id, std::string_view path) {
  OfCaller& caller = of(caller_id);
  runtime::Metric*& calls = caller.calls[path];
  if (calls == nullptr) {
    calls =
        &metrics_.own_counter("steeple.devserver_calls",
                              {{"caller_id", caller.label}, {"method", std::string(path.substr(path.rfind('/') + 1))}});
  }
  calls->add(1);
}

void CallerCounts::signed_x509_svids(const std::string& caller_id, std::size_t count) {
  OfCaller& caller = of(caller_id);
  if (caller.x509_svids == nullptr) {
    caller.x509_svids = &metrics_.own_counter("steeple.devserver_x509_svids", {{"caller_id", caller.label}});
  }
  caller.x509_svids->add(static_cast<double>(count));
}

}  // namespace steeple::devserver
