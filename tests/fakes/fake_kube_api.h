// An API server of canned answers by "METHOD path", and of canned watches; keeps what it was asked.
#pragma once

#include <deque>
#include <map>
#include <optional>

#include "attestation/kube/api.h"
#include "runtime/loop/loop.h"
#include "runtime/task/blocking.h"
#include "runtime/task/signal.h"

namespace steeple::attestation {

class FakeKubeApi final : public KubeApi {
 public:
  using Answer = runtime::Result<std::string>;
  struct Watch {
    std::vector<KubeEvent> events;
    std::optional<runtime::Result<void>> end;  // nothing: it stays open until it is stopped
  };

  // The last answer of a list is given again and again.
  void answer(const std::string& what, Answer answer) { answers_[what].push_back(std::move(answer)); }

  runtime::Result<void> ready() override { return configured; }

  runtime::Task<Answer> call(KubeRequest request, runtime::Deadline deadline, runtime::StopToken stop) override {
    const std::string what = request.method + " " + request.path;
    asked.push_back(what);
    requests.push_back(std::move(request));
    if (held) STEEPLE_CO_CHECK(co_await held->wait(deadline, stop));
    auto found = answers_.find(what);
    if (found == answers_.end()) co_return runtime::Error(runtime::ErrorCode::kNotFound, what + " not found");
    Answer next = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    co_return next;
  }

  runtime::Task<runtime::Result<void>> watch(KubeRequest request, OnEvent on_event, runtime::Deadline deadline,
                                             runtime::StopToken stop) override {
    asked.push_back("WATCH " + request.path);
    requests.push_back(std::move(request));
    receiver = std::move(on_event);
    Watch script;
    if (!watches.empty()) {
      script = std::move(watches.front());
      watches.pop_front();
    }
    for (const KubeEvent& event : script.events) receiver(event);
    if (script.end) co_return *script.end;
    if (!open) co_return runtime::Error(runtime::ErrorCode::kUnavailable, "no watches here");
    co_return co_await open->wait(deadline, stop);
  }

  std::vector<std::string> asked;
  std::vector<KubeRequest> requests;
  runtime::Result<void> configured;
  std::deque<Watch> watches;
  OnEvent receiver;                 // of the watch that is open
  runtime::Signal* open = nullptr;  // ends an open watch
  runtime::Signal* held = nullptr;  // what a call waits for

 private:
  std::map<std::string, std::deque<Answer>> answers_;
};

template <class T>
T finish(runtime::Task<T> task) {
  runtime::Loop loop;
  return runtime::run_until_done(loop, std::move(task));
}

}  // namespace steeple::attestation
