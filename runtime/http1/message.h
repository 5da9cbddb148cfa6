// HTTP/1.1 messages of the server's side, without I/O: bytes in, a request out; a reply in, bytes out (RFC 9110, 9112).
// Boost.Beast parses; nothing of it shows here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/clock.h"
#include "runtime/core/result.h"

namespace steeple::runtime {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpServerRequest {
  std::string method;
  std::string target;   // as sent: "/ready?x=1"
  HttpHeaders headers;  // names in lower case
  std::string body;
  bool keep_alive = true;
  bool http_1_0 = false;
  // What the client presented and the verifier accepted, DER, leaf first. Empty without TLS.
  std::vector<Bytes> peer_certificates;

  std::string_view path() const;                         // of the target, without query
  std::string_view header(std::string_view name) const;  // name in lower case; the first one, or empty
};

struct HttpReply {
  unsigned status = 200;
  std::string content_type;  // empty: none is sent
  HttpHeaders headers;       // beside Content-Type, Date, Content-Length and Connection
  std::string body;
};

// Go's answers where nothing is served, as clients of SPIRE's listeners see them.
HttpReply http_not_found();

// The reply's bytes. `date` is the Date header's time. No body after a HEAD request; its length is still told.
std::string encode_http_reply(const HttpReply& reply, const HttpServerRequest& request, WallTime date);

struct HttpMessageLimits {
  std::size_t header_bytes_max = 16 * 1024;
  std::size_t body_bytes_max = 64 * 1024;
};

// Reads the requests of one connection, one after the other.
class HttpRequestReader {
 public:
  explicit HttpRequestReader(HttpMessageLimits limits);
  ~HttpRequestReader();
  HttpRequestReader(const HttpRequestReader&) = delete;
  HttpRequestReader& operator=(const HttpRequestReader&) = delete;

  // Nothing where more bytes are needed. Bytes behind a complete request are kept for the next call, which may be made
  // with none. kMalformed, or kLimit for a header or body above its limit: refusal() then holds what to answer.
  Result<std::optional<HttpServerRequest>> feed(BytesView bytes);
  bool started() const;          // something of a request has come that is not complete
  bool take_expects_continue();  // once per request: its header asks for "100 Continue" before the body
  HttpReply refusal() const { return refusal_; }

 private:
  struct State;
  Error refuse(unsigned status, ErrorCode code, std::string_view why);
  HttpMessageLimits limits_;
  std::string held_;
  std::unique_ptr<State> state_;
  HttpReply refusal_;
};

}  // namespace steeple::runtime
