// Method tables: the whole of what a server serves is data. A service is a table of paths and free functions, and the
// object they work on.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/grpc/call.h"

namespace steeple::runtime::grpc {

enum class MethodKind { kUnary, kServerStream, kBidirectional };

// Runs on the I/O thread. For a unary method: exactly one send() before returning OK.
using Handler = Task<Status> (*)(void* service, ServerCall& call);

// Looks at a call's headers and peer only.
using Admission = Status (*)(void* service, const ServerCall& call);

struct Method {
  std::string_view path;  // static storage: "/SpiffeWorkloadAPI/FetchX509SVID"
  MethodKind kind;
  Handler handler;
  // Streaming methods: asked as soon as the headers are there; what is not OK ends the call before its request message
  // is waited for or looked at (endpoints 1.3, order subtlety). Unary handlers check for themselves, after decoding.
  Admission admit = nullptr;
};

class ServiceTable {
 public:
  // `service` outlives the table.
  void add(void* service, std::vector<Method> methods);

  struct Entry {
    Method method;
    void* service;
  };
  const Entry* find(std::string_view path) const;
  // For UNIMPLEMENTED: "unknown method M for service S" or "unknown service S" (endpoints 1.3).
  Status unknown(std::string_view path) const;
  std::vector<std::string_view> service_names() const;  // sorted

 private:
  std::vector<Entry> entries_;
};

}  // namespace steeple::runtime::grpc
