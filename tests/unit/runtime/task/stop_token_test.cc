#include "runtime/task/stop_token.h"

#include <catch2/catch.hpp>
#include <optional>
#include <vector>

namespace steeple::runtime {

TEST_CASE("StopToken of nobody never stops") {
  StopToken token;
  CHECK_FALSE(token.stop_requested());
  CHECK(token.reason() == StopReason::kNone);
  bool called = false;
  StopCallback callback(token, [&](StopReason) { called = true; });
  CHECK_FALSE(called);
}

TEST_CASE("StopSource calls back once, with the first reason") {
  StopSource source;
  std::vector<StopReason> seen;
  StopCallback callback(source.token(), [&](StopReason reason) { seen.push_back(reason); });
  source.request_stop(StopReason::kOverload);
  source.request_stop(StopReason::kShutdown);
  CHECK(seen == std::vector<StopReason>{StopReason::kOverload});
  CHECK(source.token().error() == Error(ErrorCode::kCancelled, "overload"));
  StopCallback late(source.token(), [&](StopReason reason) { seen.push_back(reason); });
  CHECK(seen.size() == 2);
}

TEST_CASE("StopSource forgets callbacks that are gone, in any order") {
  StopSource source;
  int calls = 0;
  auto count = [&](StopReason) { ++calls; };
  std::optional<StopCallback> a(std::in_place, source.token(), count), b(std::in_place, source.token(), count),
      c(std::in_place, source.token(), count);
  b.reset();
  source.request_stop(StopReason::kShutdown);
  CHECK(calls == 2);
  c.reset();
  a.reset();
}

TEST_CASE("StopCallback may end itself and others while it runs") {
  StopSource source;
  std::optional<StopCallback> first, second;
  int calls = 0;
  first.emplace(source.token(), [&](StopReason) { ++calls; });
  second.emplace(source.token(), [&](StopReason) {
    ++calls;
    first.reset();
    second.reset();
  });
  source.request_stop(StopReason::kShutdown);
  CHECK(calls == 1);
}

TEST_CASE("StopSource stops with its parent, and not the other way") {
  StopSource parent;
  StopSource child(parent.token());
  StopSource other(parent.token());
  other.request_stop(StopReason::kPeerGone);
  CHECK_FALSE(parent.stop_requested());
  CHECK_FALSE(child.stop_requested());
  parent.request_stop(StopReason::kShutdown);
  CHECK(child.reason() == StopReason::kShutdown);
  CHECK(other.reason() == StopReason::kPeerGone);
  StopSource late(parent.token());
  CHECK(late.reason() == StopReason::kShutdown);
}

TEST_CASE("stop_error tells a deadline from a cancellation") {
  CHECK(stop_error(StopReason::kDeadline) == Error(ErrorCode::kDeadline, "deadline exceeded"));
  CHECK(stop_error(StopReason::kCallerCancelled) == Error(ErrorCode::kCancelled, "cancelled by the caller"));
}

}  // namespace steeple::runtime
