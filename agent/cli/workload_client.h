// One call to a local agent over its Unix socket, for the command line. Each use has its own loop; blocking; main
// thread.
#pragma once

#include <functional>
#include <string>

#include "runtime/core/bytes.h"
#include "runtime/core/deadline.h"
#include "runtime/grpc/channel.h"
#include "runtime/grpc/status.h"

namespace steeple::agent::cli {

// The first message of a Workload API stream, such as "/SpiffeWorkloadAPI/FetchX509SVID". `opened`, if given: whether
// the call reached the agent.
runtime::Result<runtime::Bytes, runtime::grpc::Status> fetch_first_message(const std::string& socket,
                                                                           const char* method,
                                                                           runtime::Deadline deadline,
                                                                           bool* opened = nullptr);

// One unary call of the Workload API.
runtime::Result<runtime::Bytes, runtime::grpc::Status> call_workload_api(const std::string& socket, const char* method,
                                                                         const std::string& request,
                                                                         runtime::Deadline deadline);

inline constexpr const char* kFetchX509SvidPath = "/SpiffeWorkloadAPI/FetchX509SVID";

// One unary call without metadata.
runtime::Result<runtime::Bytes, runtime::grpc::Status> call_unary(const std::string& socket, const char* method,
                                                                  const std::string& request);

// The health service's answer, as its number in HealthCheckResponse.ServingStatus.
runtime::Result<int, runtime::grpc::Status> check_health(const std::string& socket);

// Follows FetchX509SVID until interrupted (SIGINT) or refused for good, with a linear back-off from 1 s to 30 s.
// Returns the error it ended with; every error before, and that one too if it is a status, went to `on_error`.
class WatchEvents {
 public:
  virtual ~WatchEvents() = default;
  virtual void on_message(runtime::BytesView message) = 0;
  virtual void on_error(const std::string& text) = 0;
};
std::string watch_x509_svids(const std::string& socket, WatchEvents& events);

}  // namespace steeple::agent::cli
