// The log of one call: lines carry `method`, `service` and `pid` (config-cli 5.5). Made for free; fields are put
// together only when a line is really written. Lives within the handler.
#pragma once

#include <string_view>

#include "runtime/core/log.h"
#include "runtime/grpc/call.h"

namespace steeple::agent {

class CallLog {
 public:
  // `log` carries subsystem_name=endpoints already; both outlive this object.
  CallLog(const runtime::Logger& log, const runtime::grpc::ServerCall& call) : log_(log), call_(call) {}

  bool enabled(runtime::LogLevel level) const { return log_.enabled(level); }
  void log(runtime::LogLevel level, std::string_view message, runtime::LogFields fields = {}) const;
  void error(std::string_view message, runtime::LogFields fields = {}) const;
  void warning(std::string_view message, runtime::LogFields fields = {}) const;
  void debug(std::string_view message, runtime::LogFields fields = {}) const;

 private:
  const runtime::Logger& log_;
  const runtime::grpc::ServerCall& call_;
};

// `No identity issued`; `loggable`: what loggable_selectors() gave.
void log_no_identity(const CallLog& log, const std::string& loggable);

// "/SpiffeWorkloadAPI/FetchX509SVID" -> "WorkloadAPI", "FetchX509SVID": the names that log lines and metrics use.
struct CallNames {
  std::string_view service;
  std::string_view method;
};
CallNames call_names(std::string_view path);

}  // namespace steeple::agent
