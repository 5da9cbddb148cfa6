#include "runtime/http1/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>

#include "runtime/http1/curl_library.h"

namespace steeple::runtime {
namespace {

constexpr std::chrono::minutes kRequestTimeoutMax{5};  // when the caller sets no deadline
constexpr std::size_t kStatusLineMax = 512;
constexpr int kPollMillisecondsMax = 1000;

// To curl, both kinds of handle are void.
struct EasyFree {
  void operator()(CURL* easy) const { curl().easy_cleanup(easy); }
};
struct MultiFree {
  void operator()(CURLM* multi) const { curl().multi_cleanup(multi); }
};
struct ListFree {
  void operator()(curl_slist* list) const { curl().slist_free_all(list); }
};

// Set on the I/O thread before the job starts; afterwards the job's, but for `stopped` and the wake-up of `multi`.
struct Transfer {
  HttpGet request;
  SteadyTime end;
  std::unique_ptr<CURLM, MultiFree> multi{curl().multi_init()};
  std::atomic<bool> stopped{false};
  HttpResponse response;
  bool too_large = false;
  char error_text[CURL_ERROR_SIZE] = {};
};

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* owner) {
  auto& transfer = *static_cast<Transfer*>(owner);
  std::string_view line(data, size * count);
  if (!line.starts_with("HTTP/")) return size * count;
  // The first line of an answer; a redirect's is replaced by the next one.
  std::size_t space = line.find(' ');
  std::string_view status = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  status = status.substr(0, std::min(status.find_first_of("\r\n"), kStatusLineMax));
  transfer.response.status = status;
  transfer.response.body.clear();
  return size * count;
}

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* owner) {
  auto& transfer = *static_cast<Transfer*>(owner);
  std::size_t added = size * count;
  if (added > transfer.request.body_size_max - transfer.response.body.size()) {
    transfer.too_large = true;
    return 0;
  }
  transfer.response.body.append(data, added);
  return added;
}

void set_options(CURL* easy, Transfer& transfer, curl_slist* headers) {
  const HttpGet& request = transfer.request;
  bool local = !request.unix_socket.empty();
  curl().easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl().easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl().easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl().easy_setopt(easy, CURLOPT_USERAGENT, "steeple/" STEEPLE_VERSION);
  curl().easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
  curl().easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer.error_text);
  curl().easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl().easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
  curl().easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl().easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl().easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request.follow_redirects ? 1L : 0L);
  curl().easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(kHttpRedirectsMax));
  // A redirect never leaves TLS, or the socket's plain HTTP.
  curl().easy_setopt(easy, CURLOPT_PROTOCOLS_STR, local ? "http" : "https");
  curl().easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, local ? "http" : "https");
  if (local) {
    curl().easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
    curl().easy_setopt(easy, CURLOPT_NOPROXY, "*");
  }
  // Other roots than the library's own, named as for Go's programs.
  if (const char* roots = std::getenv("SSL_CERT_FILE"); roots && *roots)
    curl().easy_setopt(easy, CURLOPT_CAINFO, roots);
  if (const char* roots = std::getenv("SSL_CERT_DIR"); roots && *roots) curl().easy_setopt(easy, CURLOPT_CAPATH, roots);
  if (!request.ca_file.empty()) {
    curl().easy_setopt(easy, CURLOPT_CAINFO, request.ca_file.c_str());
    curl().easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
}

Error transfer_error(CURLcode code, const Transfer& transfer) {
  ErrorCode kind = ErrorCode::kUnavailable;
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      kind = ErrorCode::kInvalidArgument;
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      kind = ErrorCode::kTls;
      break;
    case CURLE_TOO_MANY_REDIRECTS:
      kind = ErrorCode::kLimit;
      break;
    default:
      break;
  }
  std::string text = transfer.error_text[0] != '\0' ? transfer.error_text : curl().easy_strerror(code);
  return Error(kind, fmt::format("Get \"{}\": {}", transfer.request.url, text));
}

// Runs the transfer on a worker until it ends, its time is over, or somebody sets `stopped` and wakes it.
Result<HttpResponse> perform(Transfer& transfer) {
  std::unique_ptr<CURL, EasyFree> easy(curl().easy_init());
  std::unique_ptr<curl_slist, ListFree> headers;
  for (const std::string& header : transfer.request.headers) {
    curl_slist* longer = curl().slist_append(headers.get(), header.c_str());
    if (longer == nullptr) return Error(ErrorCode::kInternal, "out of memory for headers");
    headers.release();
    headers.reset(longer);
  }
  if (!easy || !transfer.multi) return Error(ErrorCode::kInternal, "cannot make an HTTP request");
  set_options(easy.get(), transfer, headers.get());
  curl().multi_add_handle(transfer.multi.get(), easy.get());
  int running = 1;
  CURLMcode failure = CURLM_OK;
  while (running != 0 && failure == CURLM_OK && !transfer.stopped && std::chrono::steady_clock::now() < transfer.end) {
    failure = curl().multi_perform(transfer.multi.get(), &running);
    auto left = std::chrono::ceil<std::chrono::milliseconds>(transfer.end - std::chrono::steady_clock::now()).count();
    int wait = static_cast<int>(std::clamp<std::int64_t>(left, 0, kPollMillisecondsMax));
    if (running != 0 && failure == CURLM_OK) {
      failure = curl().multi_poll(transfer.multi.get(), nullptr, 0, wait, nullptr);
    }
  }
  CURLcode code = CURLE_OK;
  bool ended = false;
  int queued = 0;
  while (const CURLMsg* message = curl().multi_info_read(transfer.multi.get(), &queued)) {
    if (message->msg != CURLMSG_DONE) continue;
    ended = true;
    code = message->data.result;
  }
  long status = 0;
  curl().easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  curl().multi_remove_handle(transfer.multi.get(), easy.get());
  if (transfer.too_large) {
    return Error(ErrorCode::kLimit, fmt::format("Get \"{}\": answer is larger than {} bytes", transfer.request.url,
                                                transfer.request.body_size_max));
  }
  if (!ended) return Error(ErrorCode::kDeadline, fmt::format("Get \"{}\": deadline exceeded", transfer.request.url));
  if (code != CURLE_OK) return transfer_error(code, transfer);
  transfer.response.status_code = static_cast<int>(status);
  return std::move(transfer.response);
}

}  // namespace

Task<Result<HttpResponse>> HttpClient::get(HttpGet request, Deadline deadline, StopToken stop) {
  if (stop.stop_requested()) co_return stop.error();
  Result<const CurlLibrary*> library = CurlLibrary::load();
  if (!library) co_return std::move(library.error());
  auto transfer = std::make_shared<Transfer>();
  transfer->request = std::move(request);
  transfer->end = deadline.sooner(Deadline::after(loop_.now(), kRequestTimeoutMax)).when();
  StopCallback on_stop(stop, [transfer](StopReason) {
    transfer->stopped = true;
    curl().multi_wakeup(transfer->multi.get());
  });
  Result<HttpResponse> result = co_await workers_.run([transfer] { return perform(*transfer); });
  if (!result && stop.stop_requested()) co_return stop.error();
  co_return std::move(result);
}

}  // namespace steeple::runtime
