// An HTTP/1.1 client for what is asked seldom: HTTPS with the system's or given roots, plain HTTP over a Unix socket,
// or over TCP where asked for. Every request has a deadline and a size limit. The work runs on a worker thread, so the
// loop never waits; a connection is kept for the next request to the same place with the same TLS settings, so that it
// pays no second handshake. Owned by the composition root or by the part whose servers it talks to; outlives its
// requests. I/O thread only, but for a body sink. Proxy environment variables are honoured for https (server-sync 1.2).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/core/secret_bytes.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"
#include "runtime/task/worker_pool.h"
#include "runtime/tls/client_context.h"

namespace steeple::runtime {

inline constexpr std::size_t kHttpBodyMaxDefault = 4 * 1024 * 1024;
inline constexpr std::size_t kHttpRefusalBodyMax = 64 * 1024;  // kept of an answer that a sink does not get
inline constexpr std::size_t kHttpHeaderBytesMax = 64 * 1024;  // kept of an answer's headers; more are passed over
inline constexpr int kHttpRedirectsMax = 10;
inline constexpr std::size_t kHttpIdleConnectionsMax = 4;

enum class HttpVerify {
  kFull,       // chain, validity, serverAuth, and the URL's host among the certificate's names; where redirects are not
               // followed, the subject's common name counts for nothing
  kChainOnly,  // the same without the name
  kNone,
};

// Shared by the requests of one client, since a kept connection is used again only under the same settings.
struct HttpTls {
  HttpVerify verify = HttpVerify::kFull;
  std::string ca_file;          // PEM roots instead of the system's
  std::string ca_pem;           // the same as bytes; goes before ca_file
  std::string certificate_pem;  // the client's chain, leaf first; empty: none
  SecretBytes private_key_pem;
  // When set, it alone decides about the server's chain; `verify`, `ca_file` and `ca_pem` count for nothing. Runs on
  // the worker thread. Its error, with the request before it, ends the request and keeps its code.
  Verifier verifier;
};

// Takes a piece of a body, on the worker thread that runs the request. An error ends the request with it.
using HttpBodySink = std::function<Result<void>(std::string_view piece)>;

struct HttpRequest {
  std::string method = "GET";
  std::string url;                     // https://..., or http://... with a unix_socket or plain_http; IPv6 in brackets
  std::string unix_socket;             // when set, the connection goes there whatever host the URL names
  std::vector<std::string> headers;    // "Name: value"
  std::string body;                    // sent when not empty, or when the method is POST, PUT or PATCH
  std::shared_ptr<const HttpTls> tls;  // nothing: the system's roots, full verification, no client certificate
  bool plain_http = false;             // allows http:// over TCP
  bool use_proxy = true;
  bool follow_redirects = true;
  bool keep_headers = false;
  std::chrono::milliseconds connect_timeout{0};     // 0: only the deadline counts
  std::size_t body_size_max = kHttpBodyMaxDefault;  // unpacked
  bool accept_gzip = false;                         // says so, and unpacks an answer that is packed
  HttpBodySink sink;  // when set, gets the body of a 200 answer instead of HttpResponse::body
};

struct HttpResponse {
  int status_code = 0;
  std::string status;  // "404 Not Found"
  std::string body;    // cut at kHttpRefusalBodyMax where a sink was given
  // Of the last answer, where they were asked for; names in lower case.
  std::vector<std::pair<std::string, std::string>> headers;

  std::vector<std::string> header(std::string_view name) const;  // name in lower case; in order
};

// Any complete answer is a value, whatever its status. The usual failures have Go's words: "connection refused", "EOF".
// kDeadline, kCancelled, kLimit (body too large), kUnavailable (connection), kTls (certificate; with a verifier, its
// own code), kInvalidArgument (the URL, a client certificate that cannot be used).
class HttpClient {
 public:
  HttpClient(Loop& loop, WorkerPool& workers);
  ~HttpClient();
  Task<Result<HttpResponse>> send(HttpRequest request, Deadline deadline, StopToken stop);
  std::size_t idle_connections() const { return idle_.size(); }

 private:
  struct Transfer;
  struct Handles;
  static Result<HttpResponse> perform(Transfer& transfer);
  std::unique_ptr<Handles> take_idle(const std::string& place);
  void keep_idle(std::unique_ptr<Handles> handles);

  Loop& loop_;
  WorkerPool& workers_;
  std::vector<std::unique_ptr<Handles>> idle_;  // the one used last at the end
};

}  // namespace steeple::runtime
