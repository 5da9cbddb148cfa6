#include "attestation/sigstore/image_verifier.h"

#include <catch2/catch.hpp>
#include <map>

#include "runtime/task/blocking.h"

using namespace steeple;
using namespace steeple::attestation;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::run_until_done;
using runtime::Task;

namespace {

// Verifications end when they are told to.
struct World {
  World()
      : verifier(loop, skipped,
                 [this](std::string id, Deadline, runtime::StopToken stop) { return run(std::move(id), stop); }, {}) {}
  ~World() {
    if (!closed) close();
  }
  void close() {
    closed = true;
    run_until_done(loop, verifier.close());
  }
  Task<Result<ImageSelectors>> run(std::string id, runtime::StopToken stop) {
    ++begun[id];
    ++under_way;
    most = std::max(most, under_way);
    while (held) STEEPLE_CO_CHECK(co_await let_go.wait(Deadline::never(), stop));
    --under_way;
    if (failing) co_return Error(ErrorCode::kDenied, "bad " + id);
    co_return ImageSelectors{"of " + id};
  }
  Task<void> ask(std::string id, Deadline deadline = Deadline::never()) {
    answers.push_back(co_await verifier.verify(std::move(id), deadline, {}));
  }
  Result<ImageSelectors> now(const std::string& id) {
    return run_until_done(loop, verifier.verify(id, Deadline::never(), {}));
  }
  void release() {
    held = false;
    let_go.notify();
  }

  runtime::Loop loop;
  std::set<std::string> skipped = {"skipped"};
  std::map<std::string, int> begun;
  std::size_t under_way = 0, most = 0;
  bool held = false, failing = false, closed = false;
  runtime::Signal let_go{loop};
  ImageVerifier verifier;
  std::vector<Result<ImageSelectors>> answers;
};

}  // namespace

TEST_CASE("image verifier: a success is remembered, a failure is tried again, a skipped image is not looked at") {
  World world;
  CHECK(world.now("a") == ImageSelectors{"of a"});
  CHECK(world.now("a") == ImageSelectors{"of a"});
  CHECK(world.begun["a"] == 1);
  world.failing = true;
  CHECK(world.now("b").error().message() == "bad b");
  CHECK(world.now("a") == ImageSelectors{"of a"});
  world.failing = false;
  CHECK(world.now("b") == ImageSelectors{"of b"});
  CHECK(world.begun["b"] == 2);
  CHECK(world.now("skipped")->empty());
  CHECK(world.begun["skipped"] == 0);
}

TEST_CASE("image verifier: callers of one image share its verification, which outlives the one that gave up") {
  World world;
  world.held = true;
  runtime::TaskGroup callers(world.loop);
  callers.spawn(world.ask("a"));
  callers.spawn(world.ask("a"));
  auto impatient =
      run_until_done(world.loop, world.verifier.verify("a", Deadline::in(std::chrono::milliseconds(1)), {}));
  REQUIRE_FALSE(impatient);
  CHECK(impatient.error().code() == ErrorCode::kDeadline);
  world.release();
  run_until_done(world.loop, callers.join());
  REQUIRE(world.answers.size() == 2);
  CHECK(world.answers[0] == ImageSelectors{"of a"});
  CHECK(world.answers[1] == ImageSelectors{"of a"});
  CHECK(world.begun["a"] == 1);
}

TEST_CASE("image verifier: only so many at once, and no more than that waiting") {
  World world;
  world.held = true;
  runtime::TaskGroup callers(world.loop);
  for (std::size_t i = 0; i < kVerificationsMax; ++i) callers.spawn(world.ask("i" + std::to_string(i)));
  CHECK(world.now("one more").error().code() == ErrorCode::kLimit);
  CHECK(world.most == kVerificationsAtOnce);
  world.release();
  run_until_done(world.loop, callers.join());
  CHECK(world.answers.size() == kVerificationsMax);
  CHECK(world.most == kVerificationsAtOnce);
  for (const auto& answer : world.answers) CHECK(answer);
}

TEST_CASE("image verifier: closing ends what is under way") {
  World world;
  world.held = true;
  runtime::TaskGroup callers(world.loop);
  callers.spawn(world.ask("a"));
  world.close();
  run_until_done(world.loop, callers.join());
  REQUIRE(world.answers.size() == 1);
  CHECK(world.answers[0].error().code() == ErrorCode::kCancelled);
  CHECK(world.now("b").error().code() == ErrorCode::kClosed);
}

TEST_CASE("image verifier: of the images that are remembered, the one asked for longest ago goes") {
  VerifiedImages images(2);
  images.keep("a", {"1"});
  images.keep("b", {"2"});
  CHECK(*images.find("a") == ImageSelectors{"1"});
  images.keep("c", {"3"});
  CHECK(images.size() == 2);
  CHECK(images.find("b") == nullptr);
  CHECK(*images.find("a") == ImageSelectors{"1"});
  images.keep("a", {"4"});
  CHECK(images.size() == 2);
  CHECK(*images.find("a") == ImageSelectors{"4"});
  CHECK(*images.find("c") == ImageSelectors{"3"});
}
