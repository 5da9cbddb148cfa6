#include "runtime/process/child_process.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

#include "runtime/task/blocking.h"

using namespace steeple::runtime;

namespace {

ChildOptions shell(std::string script) {
  return {"/bin/sh", {"-c", std::move(script)}, environment_with({}), std::nullopt};
}

Task<std::string> read_all(ChildProcess& child, ChildOutput output) {
  std::array<std::uint8_t, 100> buffer;
  std::string text;
  for (;;) {
    Result<std::size_t> size = co_await child.read(output, buffer, StopToken());
    if (!size || *size == 0) co_return text;
    text += as_text(std::span(buffer).first(*size));
  }
}

struct World {
  std::unique_ptr<ChildProcess> start(const ChildOptions& options) {
    auto child = ChildProcess::start(loop, options);
    REQUIRE(child);
    return std::move(*child);
  }
  std::string output(ChildProcess& child, ChildOutput which = ChildOutput::kStdout) {
    return run_until_done(loop, read_all(child, which));
  }
  std::string end(ChildProcess& child) {
    Result<ChildEnd> end = run_until_done(loop, child.wait(StopToken()));
    REQUIRE(end);
    return end->clean() ? "clean" : end->text();
  }
  Loop loop;
};

}  // namespace

TEST_CASE("A child's outputs come apart, and its end is told as Go tells it") {
  World world;
  auto child = world.start(shell("echo one; echo two >&2; exit 3"));
  CHECK(world.output(*child) == "one\n");
  CHECK(world.output(*child, ChildOutput::kStderr) == "two\n");
  CHECK(world.end(*child) == "exit status 3");
  CHECK(child->ended());
  auto clean = world.start(shell("exit 0"));
  CHECK(world.end(*clean) == "clean");
  auto killed = world.start(shell("exec sleep 1000"));
  CHECK_FALSE(killed->ended());
  killed->kill();
  CHECK(world.end(*killed) == "signal: killed");
}

TEST_CASE("A program that cannot be executed is an error of the start, with Go's text") {
  Loop loop;
  auto missing = ChildProcess::start(loop, {"/no/such", {}, {}, std::nullopt});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message() == "fork/exec /no/such: no such file or directory");
  auto file = ChildProcess::start(loop, {"/etc/passwd", {}, {}, std::nullopt});
  REQUIRE_FALSE(file);
  CHECK(file.error().message() == "fork/exec /etc/passwd: permission denied");
}

TEST_CASE("A child gets its environment and arguments, and none of the parent's descriptors or ignored signals") {
  World world;
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGUSR1, SIG_IGN);
  int open_in_parent[2];
  REQUIRE(::pipe(open_in_parent) == 0);
  ChildOptions options{
      "/bin/sh",
      {"-c", "echo $1 $FIRST $SECOND; ls /proc/self/fd | wc -l; grep SigIgn /proc/$$/status; ulimit -n", "sh", "word"},
      {"FIRST=1", "SECOND=2", "PATH=/usr/bin:/bin"},
      rlim_t{64}};
  auto child = world.start(options);
  const std::string text = world.output(*child);
  INFO(text);
  CHECK(text.starts_with("word 1 2\n4\n"));  // 0, 1, 2, and the folder that ls reads
  CHECK(text.ends_with("\n64\n"));
  const std::string ignored = text.substr(text.find("SigIgn:\t") + 8, 16);
  CHECK((std::stoull(ignored, nullptr, 16) & (1ull << (SIGPIPE - 1) | 1ull << (SIGUSR1 - 1))) == 0);
  ::close(open_in_parent[0]);
  ::close(open_in_parent[1]);
}

TEST_CASE("Changes take the place of what the environment says of the same names") {
  ::setenv("STEEPLE_TEST_VARIABLE", "old", 1);
  const std::vector<std::string> changed = environment_with({"STEEPLE_TEST_VARIABLE=new", "STEEPLE_TEST_OTHER=1"});
  const auto count = [&](const char* entry) { return std::count(changed.begin(), changed.end(), entry); };
  CHECK(count("STEEPLE_TEST_VARIABLE=old") == 0);
  CHECK(count("STEEPLE_TEST_VARIABLE=new") == 1);
  CHECK(count("STEEPLE_TEST_OTHER=1") == 1);
}

TEST_CASE("Waits end with their token, and a child that still runs ends with its owner") {
  World world;
  auto child = world.start(shell("exec sleep 1000"));
  const pid_t pid = child->pid();
  StopSource stop;
  stop.request_stop(StopReason::kShutdown);
  Result<ChildEnd> end = run_until_done(world.loop, child->wait(stop.token()));
  REQUIRE_FALSE(end);
  CHECK(end.error().code() == ErrorCode::kCancelled);
  std::array<std::uint8_t, 4> buffer;
  CHECK_FALSE(run_until_done(world.loop, child->read(ChildOutput::kStdout, buffer, stop.token())));
  child.reset();
  CHECK(::kill(pid, 0) == -1);
}
