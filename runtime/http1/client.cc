#include "runtime/http1/client.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/http1/transfer.h"

namespace steeple::runtime {
namespace {

constexpr std::chrono::minutes kRequestTimeoutMax{5};  // when the caller sets no deadline
constexpr int kPollMillisecondsMax = 1000;

// Scheme, host and port of the URL, the socket, and the identity of the TLS settings.
std::string place_of(const HttpRequest& request) {
  std::size_t host = request.url.find("://");
  std::size_t path = host == std::string::npos ? host : request.url.find('/', host + 3);
  return fmt::format("{}|{}|{}", request.url.substr(0, path), request.unix_socket, fmt::ptr(request.tls.get()));
}

}  // namespace

std::vector<std::string> HttpResponse::header(std::string_view name) const {
  std::vector<std::string> found;
  for (const auto& [key, value] : headers) {
    if (key == name) found.push_back(value);
  }
  return found;
}

HttpClient::HttpClient(Loop& loop, WorkerPool& workers) : loop_(loop), workers_(workers) {}
HttpClient::~HttpClient() = default;

// Runs the transfer on a worker until it ends, its time is over, or somebody sets `stopped` and wakes it.
Result<HttpResponse> HttpClient::perform(Transfer& transfer) {
  STEEPLE_CHECK(transfer.set_options());
  CURLM* multi = transfer.handles->multi.get();
  CURL* easy = transfer.handles->easy.get();
  curl().multi_add_handle(multi, easy);
  int running = 1;
  CURLMcode failure = CURLM_OK;
  while (running != 0 && failure == CURLM_OK && !transfer.stopped && std::chrono::steady_clock::now() < transfer.end) {
    failure = curl().multi_perform(multi, &running);
    auto left = std::chrono::ceil<std::chrono::milliseconds>(transfer.end - std::chrono::steady_clock::now()).count();
    int wait = static_cast<int>(std::clamp<std::int64_t>(left, 0, kPollMillisecondsMax));
    if (running != 0 && failure == CURLM_OK) failure = curl().multi_poll(multi, nullptr, 0, wait, nullptr);
  }
  CURLcode code = CURLE_OK;
  bool ended = false;
  int queued = 0;
  while (const CURLMsg* message = curl().multi_info_read(multi, &queued)) {
    if (message->msg != CURLMSG_DONE) continue;
    ended = true;
    code = message->data.result;
  }
  const std::optional<Error> failed = code != CURLE_OK ? std::optional(transfer.error_of(code)) : std::nullopt;
  curl().multi_remove_handle(multi, easy);
  curl().easy_reset(easy);  // nothing in it points to this transfer any more
  if (transfer.refused) return std::move(*transfer.refused);
  if (transfer.too_large) {
    return transfer.error(ErrorCode::kLimit,
                          fmt::format("answer is larger than {} bytes", transfer.request.body_size_max));
  }
  if (!ended) return transfer.error(ErrorCode::kDeadline, "context deadline exceeded");
  if (failed && !transfer.cut) return *failed;
  return std::move(transfer.response);
}

std::unique_ptr<HttpClient::Handles> HttpClient::take_idle(const std::string& place) {
  const auto same = [&](const std::unique_ptr<Handles>& handles) { return handles->place == place; };
  auto at = std::find_if(idle_.begin(), idle_.end(), same);
  if (at == idle_.end()) return nullptr;
  std::unique_ptr<Handles> handles = std::move(*at);
  idle_.erase(at);
  return handles;
}

void HttpClient::keep_idle(std::unique_ptr<Handles> handles) {
  if (idle_.size() == kHttpIdleConnectionsMax) idle_.erase(idle_.begin());
  idle_.push_back(std::move(handles));
}

Task<Result<HttpResponse>> HttpClient::send(HttpRequest request, Deadline deadline, StopToken stop) {
  if (stop.stop_requested()) co_return stop.error();
  Result<const CurlLibrary*> library = CurlLibrary::load();
  if (!library) co_return std::move(library.error());
  auto transfer = std::make_shared<Transfer>();
  std::string place = place_of(request);
  transfer->handles = take_idle(place);
  if (!transfer->handles) {
    transfer->handles = std::make_unique<Handles>();
    transfer->handles->place = std::move(place);
    transfer->handles->tls = request.tls;
  }
  transfer->request = std::move(request);
  transfer->end = deadline.sooner(Deadline::after(loop_.now(), kRequestTimeoutMax)).when();
  StopCallback on_stop(stop, [transfer](StopReason) {
    transfer->stopped = true;
    curl().multi_wakeup(transfer->handles->multi.get());
  });
  Result<HttpResponse> result = co_await workers_.run([transfer] { return perform(*transfer); });
  if (!result && stop.stop_requested()) co_return stop.error();
  if (result) keep_idle(std::move(transfer->handles));
  co_return std::move(result);
}

}  // namespace steeple::runtime
