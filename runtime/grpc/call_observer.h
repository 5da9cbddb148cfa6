// Told of every call whose method is served, for metrics. Its functions are short and do not wait. I/O thread only.
#pragma once

#include <chrono>

#include "runtime/grpc/service.h"

namespace steeple::runtime::grpc {

class CallObserver {
 public:
  virtual ~CallObserver() = default;
  virtual void call_began(const Method& method) = 0;
  // Beside it, for the first call of a connection: how long ago the connection was accepted.
  virtual void connection_used(const Method& method, std::chrono::nanoseconds since_accepted) {
    static_cast<void>(method);
    static_cast<void>(since_accepted);
  }
  // `status` is the code sent, or kCancelled where the caller left before there was one.
  virtual void call_ended(const Method& method, StatusCode status, std::chrono::nanoseconds elapsed) = 0;
};

}  // namespace steeple::runtime::grpc
