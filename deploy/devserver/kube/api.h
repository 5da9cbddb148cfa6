// One Kubernetes API server, as far as the development server talks to one: a request's path and body go out, the body
// of the answer comes back. Tests put a fake here.
#pragma once

#include <string>

#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::devserver {

inline constexpr std::size_t kKubeAnswerBytesMax = 8u << 20;
inline constexpr std::chrono::seconds kKubeRequestTimeout{20};

struct KubeRequest {
  std::string method = "GET";
  std::string path;          // "/api/v1/..."
  std::string content_type;  // of the body
  std::string body;
};

class KubeApi {
 public:
  virtual ~KubeApi() = default;
  // The body of a 2xx answer, JSON. An API server's refusal has its Status's message as text, and kUnauthenticated
  // (401), kDenied (403), kNotFound (404), kAlreadyExists (409), kInvalidArgument (other 4xx) or kUnavailable. Waits
  // kKubeRequestTimeout at most.
  virtual runtime::Task<runtime::Result<std::string>> call(KubeRequest request, runtime::Deadline deadline,
                                                           runtime::StopToken stop) = 0;
};

}  // namespace steeple::devserver
