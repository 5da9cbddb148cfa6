#include "attestation/kube/http_api.h"

#include <fmt/format.h>

#include "attestation/kube/event_stream.h"

namespace steeple::attestation {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr std::chrono::milliseconds kConnectTimeout{10'000};

ErrorCode code_of(int status) {
  switch (status) {
    case 401:
      return ErrorCode::kUnauthenticated;
    case 403:
      return ErrorCode::kDenied;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kAlreadyExists;
    case 429:
      return ErrorCode::kUnavailable;
    default:
      return status >= 400 && status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kUnavailable;
  }
}

Error refusal_of(const runtime::HttpResponse& response) {
  std::string message = status_message(response.body);
  if (message.empty()) message = "unexpected answer of the API server: " + response.status;
  return Error(code_of(response.status_code), std::move(message));
}

}  // namespace

Result<runtime::HttpRequest> HttpKubeApi::prepare(KubeRequest request) {
  STEEPLE_TRY(access, access_.load());
  runtime::HttpRequest http;
  http.method = std::move(request.method);
  http.url = access.server + request.path;
  http.headers = {"Accept: " + request.accept, "Expect:"};
  if (!request.content_type.empty()) http.headers.push_back("Content-Type: " + request.content_type);
  if (!access.token.empty()) {
    http.headers.push_back(fmt::format("Authorization: Bearer {}", runtime::as_text(access.token.view())));
  }
  http.body = std::move(request.body);
  http.tls = access.tls;
  http.use_proxy = false;
  http.follow_redirects = false;  // a redirect would carry the token elsewhere
  http.connect_timeout = kConnectTimeout;
  http.body_size_max = kKubeAnswerBytesMax;
  return http;
}

runtime::Task<Result<std::string>> HttpKubeApi::call(KubeRequest request, runtime::Deadline deadline,
                                                     runtime::StopToken stop) {
  STEEPLE_CO_TRY(http, prepare(std::move(request)));
  deadline = deadline.sooner(runtime::Deadline::after(loop_.now(), kKubeRequestTimeout));
  STEEPLE_CO_TRY(response, co_await http_.send(std::move(http), deadline, stop));
  if (response.status_code < 200 || response.status_code > 299) co_return refusal_of(response);
  co_return std::move(response.body);
}

// Events are read on the worker and handed over on the I/O thread, in the order of the loop's queue, in which the end
// of the transfer comes last.
runtime::Task<Result<void>> HttpKubeApi::watch(KubeRequest request, OnEvent on_event, runtime::Deadline deadline,
                                               runtime::StopToken stop) {
  STEEPLE_CO_TRY(http, prepare(std::move(request)));
  auto receiver = std::make_shared<OnEvent>(std::move(on_event));  // of the I/O thread; emptied when the task ends
  auto stream = std::make_shared<KubeEventStream>([&loop = loop_, receiver](KubeEvent event) {
    loop.post([receiver, event = std::move(event)] {
      if (*receiver) (*receiver)(event);
    });
  });
  http.sink = [stream](std::string_view piece) { return stream->feed(piece); };
  http.body_size_max = kKubeWatchBytesMax;
  Result<runtime::HttpResponse> response = co_await http_.send(std::move(http), deadline, stop);
  *receiver = nullptr;
  if (!response) co_return std::move(response.error());
  if (response->status_code != 200) co_return refusal_of(*response);
  co_return Result<void>();
}

}  // namespace steeple::attestation
