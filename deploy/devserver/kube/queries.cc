#include "deploy/devserver/kube/queries.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::devserver {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

bool any_of(const std::vector<std::string>& wanted, const std::vector<std::string>& got) {
  return std::any_of(wanted.begin(), wanted.end(),
                     [&](const std::string& one) { return std::find(got.begin(), got.end(), one) != got.end(); });
}

Error required(std::string_view what) { return Error(ErrorCode::kInternal, fmt::format("empty {}", what)); }

}  // namespace

Task<Result<TokenReview>> review_token(KubeApi& api, std::string_view token, std::vector<std::string> audiences,
                                       Deadline deadline, StopToken stop) {
  KubeRequest request{"POST", "/apis/authentication.k8s.io/v1/tokenreviews", "application/json",
                      token_review_request(token, audiences)};
  Result<std::string> answer = co_await api.call(std::move(request), deadline, stop);
  if (!answer) co_return std::move(answer.error()).with_context("unable to query token review API");
  Result<TokenReview> review = parse_token_review(*answer);
  runtime::wipe_memory(answer->data(), answer->size());  // the answer repeats the token
  if (!review) co_return std::move(review.error()).with_context("unable to query token review API");
  if (!review->error.empty()) {
    co_return Error(ErrorCode::kDenied, "token review API response contains an error: " + review->error);
  }
  if (review->authenticated && !audiences.empty() && !any_of(audiences, review->audiences)) {
    co_return Error(ErrorCode::kDenied,
                    fmt::format("token review API did not validate audience: wanted one of {} but got {}",
                                runtime::go_quoted_list(audiences), runtime::go_quoted_list(review->audiences)));
  }
  co_return std::move(*review);
}

Task<Result<KubePod>> find_pod(KubeApi& api, std::string name_space, std::string name, Deadline deadline,
                               StopToken stop) {
  if (name_space.empty()) co_return required("namespace");
  if (name.empty()) co_return required("pod name");
  KubeRequest request;
  request.path = fmt::format("/api/v1/namespaces/{}/pods/{}", path_segment(name_space), path_segment(name));
  Result<std::string> answer = co_await api.call(std::move(request), deadline, stop);
  if (!answer) co_return std::move(answer.error()).with_context("unable to query pods API");
  co_return runtime::with_context(parse_pod(*answer), "unable to query pods API");
}

Task<Result<KubeNode>> find_node(KubeApi& api, std::string name, Deadline deadline, StopToken stop) {
  if (name.empty()) co_return required("node name");
  KubeRequest request;
  request.path = "/api/v1/nodes/" + path_segment(name);
  Result<std::string> answer = co_await api.call(std::move(request), deadline, stop);
  if (!answer) co_return std::move(answer.error()).with_context("unable to query nodes API");
  co_return runtime::with_context(parse_node(*answer), "unable to query nodes API");
}

}  // namespace steeple::devserver
