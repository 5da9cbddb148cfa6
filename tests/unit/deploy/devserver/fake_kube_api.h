// An API server of canned answers by "METHOD path"; keeps what it was asked.
#pragma once

#include <deque>
#include <map>

#include "deploy/devserver/kube/api.h"
#include "runtime/loop/loop.h"
#include "runtime/task/blocking.h"

namespace steeple::devserver {

class FakeKubeApi final : public KubeApi {
 public:
  using Answer = runtime::Result<std::string>;

  // The last answer of a list is given again and again.
  void answer(const std::string& what, Answer answer) { answers_[what].push_back(std::move(answer)); }

  runtime::Task<Answer> call(KubeRequest request, runtime::Deadline, runtime::StopToken) override {
    const std::string what = request.method + " " + request.path;
    asked.push_back(what);
    requests.push_back(std::move(request));
    auto found = answers_.find(what);
    if (found == answers_.end()) co_return runtime::Error(runtime::ErrorCode::kNotFound, what + " not found");
    Answer next = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    co_return next;
  }

  std::vector<std::string> asked;
  std::vector<KubeRequest> requests;

 private:
  std::map<std::string, std::deque<Answer>> answers_;
};

template <class T>
T finish(runtime::Task<T> task) {
  runtime::Loop loop;
  return runtime::run_until_done(loop, std::move(task));
}

}  // namespace steeple::devserver
