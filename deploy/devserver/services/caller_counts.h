// Who asked for what: steeple.devserver_calls by `caller_id` and `method`, steeple.devserver_x509_svids by `caller_id`.
// SPIRE's own series do not tell callers apart, so a benchmark of several agents on one server needs these. The first
// kCallersMax callers have series of their own, all others share one. Owned by the server. I/O thread only.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "runtime/core/metrics.h"

namespace steeple::devserver {

inline constexpr std::size_t kCallersMax = 256;
inline constexpr std::string_view kOtherCallers = "others";

class CallerCounts {
 public:
  explicit CallerCounts(runtime::Metrics& metrics) : metrics_(metrics) {}

  // `path` has static storage: "/spire.api.server.svid.v1.SVID/BatchNewX509SVID" counts as BatchNewX509SVID.
  void called(const std::string& caller_id, std::string_view path);
  void signed_x509_svids(const std::string& caller_id, std::size_t count);

 private:
  struct OfCaller {
    std::string label;
    std::map<std::string_view, runtime::Metric*> calls;  // by path
    runtime::Metric* x509_svids = nullptr;
  };
  OfCaller& of(const std::string& caller_id);

  runtime::Metrics& metrics_;
  std::map<std::string, OfCaller> callers_;
};

}  // namespace steeple::devserver
