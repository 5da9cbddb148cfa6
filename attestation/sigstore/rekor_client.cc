#include "attestation/sigstore/rekor_client.h"

#include <fmt/format.h>

#include "attestation/sigstore/rekor_query.h"
#include "runtime/core/go_text.h"

namespace steeple::attestation {
namespace {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::HttpRequest;
using runtime::HttpResponse;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

constexpr std::string_view kSearchPath = "/api/v1/log/entries/retrieve";
constexpr std::size_t kSnippetMax = 512;

// A query or a fragment is not for the API below it.
std::string search_url(std::string url) {
  url.resize(std::min(url.size(), url.find_first_of("?#")));
  while (url.ends_with('/')) url.pop_back();
  return url + std::string(kSearchPath);
}

bool asks_again(const Result<HttpResponse>& answer) {
  if (!answer) return answer.error().code() == ErrorCode::kUnavailable;
  const int status = answer->status_code;
  return status == 429 || (status >= 500 && status != 501);
}

Error refusal(const HttpResponse& answer) {
  const int status = answer.status_code;
  const std::string body = rekor_refusal(answer.body);
  std::string text;
  if (status == 400) {
    text = fmt::format("[POST {}][400] searchLogQueryBadRequest {}", kSearchPath, body);
  } else if (status == 422) {
    text = fmt::format("[POST {}][422] searchLogQueryUnprocessableEntity {}", kSearchPath, body);
  } else {
    text = fmt::format("[POST {}][{}] searchLogQuery default {}", kSearchPath, status, body);
  }
  return Error(ErrorCode::kUnavailable, std::move(text));
}

Error given_up(const std::string& url, const Result<HttpResponse>& answer) {
  std::string reason;
  if (!answer) {
    reason = answer.error().message();
  } else {
    const std::string snippet = answer->body.substr(0, kSnippetMax);
    reason = fmt::format("status {}{}{}", answer->status_code, snippet.empty() ? "" : ": ", snippet);
  }
  return Error(ErrorCode::kUnavailable, fmt::format("Post {}: giving up after {} attempt(s): {}",
                                                    runtime::go_quote(url), kRekorTriesMax, reason));
}

}  // namespace

RekorClient::RekorClient(runtime::HttpClient& http, std::string url, std::vector<LogKey> keys)
    : http_(http), url_(search_url(std::move(url))), keys_(std::move(keys)) {}

Task<Result<std::string>> RekorClient::post(std::string body, Deadline deadline, StopToken stop) {
  HttpRequest request;
  request.method = "POST";
  request.url = url_;
  request.body = std::move(body);
  request.headers = {"Content-Type: application/json", "Accept: application/json"};
  request.plain_http = true;
  request.body_size_max = kRekorAnswerBytesMax;
  for (int attempt = 1;; ++attempt) {
    Result<HttpResponse> answer = co_await http_.send(request, deadline, stop);
    if (asks_again(answer)) {
      if (attempt < kRekorTriesMax) continue;
      co_return given_up(url_, answer);
    }
    if (!answer) co_return std::move(answer.error());
    if (answer->status_code != 200) co_return refusal(*answer);
    co_return std::move(answer->body);
  }
}

Task<Result<RekorEntry>> RekorClient::find(const SignedLayer& layer, RekorEntryCheck check, Deadline deadline,
                                           StopToken stop) {
  STEEPLE_CO_TRY(query, rekor_query(layer));
  STEEPLE_CO_TRY(answer, runtime::with_context(co_await post(std::move(query), deadline, stop), "searching log query"));
  STEEPLE_CO_TRY(entries, runtime::with_context(parse_rekor_answer(answer), "searching log query"));
  co_return earliest_entry(entries, keys_, check);
}

}  // namespace steeple::attestation
