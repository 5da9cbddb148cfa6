#include "deploy/devserver/kube/http_api.h"

#include <fmt/format.h>

#include "deploy/devserver/kube/objects.h"

namespace steeple::devserver {
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

runtime::Task<Result<std::string>> HttpKubeApi::call(KubeRequest request, runtime::Deadline deadline,
                                                     runtime::StopToken stop) {
  STEEPLE_CO_TRY(access, access_.load());
  runtime::HttpRequest http;
  http.method = std::move(request.method);
  http.url = access.server + request.path;
  http.headers = {"Accept: application/json", "Expect:"};
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
  deadline = deadline.sooner(runtime::Deadline::after(loop_.now(), kKubeRequestTimeout));
  STEEPLE_CO_TRY(response, co_await http_.send(std::move(http), deadline, stop));
  if (response.status_code < 200 || response.status_code > 299) co_return refusal_of(response);
  co_return std::move(response.body);
}

}  // namespace steeple::devserver
