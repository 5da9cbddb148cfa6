// One Kubernetes API server: a request's path and body go out, the body of the answer comes back, or the events of a
// watch. Tests put a fake here. I/O thread only.
#pragma once

#include <functional>
#include <string>

#include "attestation/kube/objects.h"
#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::attestation {

inline constexpr std::size_t kKubeAnswerBytesMax = 8u << 20;
inline constexpr std::size_t kKubeWatchBytesMax = 16u << 20;  // of one watch, which the server ends after some minutes
inline constexpr std::chrono::seconds kKubeRequestTimeout{20};

struct KubeRequest {
  std::string method = "GET";
  std::string path;          // "/api/v1/..."
  std::string content_type;  // of the body
  std::string body;
  std::string accept = "application/json";
};

class KubeApi {
 public:
  virtual ~KubeApi() = default;

  // Whether it is known where the API server is. An error may pass: a file or a variable may still come.
  virtual runtime::Result<void> ready() { return {}; }

  // The body of a 2xx answer, JSON. An API server's refusal has its Status's message as text, and kUnauthenticated
  // (401), kDenied (403), kNotFound (404), kAlreadyExists (409), kInvalidArgument (other 4xx) or kUnavailable. Waits
  // kKubeRequestTimeout at most.
  virtual runtime::Task<runtime::Result<std::string>> call(KubeRequest request, runtime::Deadline deadline,
                                                           runtime::StopToken stop) = 0;

  // A watch (`?watch=true`): hands over each event as it comes, the last one before the task ends. A value: the server
  // has ended the answer. Errors as of call(), kMalformed for what is no event, kLimit above kKubeWatchBytesMax.
  using OnEvent = std::function<void(const KubeEvent& event)>;
  virtual runtime::Task<runtime::Result<void>> watch(KubeRequest request, OnEvent on_event, runtime::Deadline deadline,
                                                     runtime::StopToken stop) = 0;
};

// One segment of a path: what is no unreserved character is percent-encoded.
std::string path_segment(std::string_view name);

}  // namespace steeple::attestation
