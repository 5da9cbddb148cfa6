// A small HTTP/1.1 client for cold paths: GET over HTTPS with the system's roots, and plain HTTP over a Unix socket.
// Every request has a deadline and a size limit. The work runs on a worker thread, so the loop never waits. Proxy
// environment variables are honoured for https (server-sync 1.2).
#pragma once

#include <string>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"
#include "runtime/task/worker_pool.h"

namespace steeple::runtime {

inline constexpr std::size_t kHttpBodyMaxDefault = 4 * 1024 * 1024;
inline constexpr int kHttpRedirectsMax = 10;

struct HttpGet {
  std::string url;                   // http://... only with a unix_socket
  std::string unix_socket;           // when set, the connection goes there whatever host the URL names
  std::vector<std::string> headers;  // "Name: value"
  std::string ca_file;               // PEM roots instead of the system's; empty: the system's
  bool follow_redirects = true;
  std::size_t body_size_max = kHttpBodyMaxDefault;
};

struct HttpResponse {
  int status_code = 0;
  std::string status;  // "404 Not Found"
  std::string body;
};

// Any complete answer is a value, whatever its status. kDeadline, kCancelled, kLimit (body too large), kUnavailable
// (connection), kTls (certificate), kInvalidArgument (the URL).
class HttpClient {
 public:
  explicit HttpClient(Loop& loop, WorkerPool& workers) : loop_(loop), workers_(workers) {}
  Task<Result<HttpResponse>> get(HttpGet request, Deadline deadline, StopToken stop);

 private:
  Loop& loop_;
  WorkerPool& workers_;
};

}  // namespace steeple::runtime
