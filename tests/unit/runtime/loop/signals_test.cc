#include "runtime/loop/signals.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace steeple::runtime {

namespace {

bool is_ignored(int signal_number) {
  struct sigaction action{};
  REQUIRE(::sigaction(signal_number, nullptr, &action) == 0);
  return action.sa_handler == SIG_IGN;
}

}  // namespace

TEST_CASE("Signals that come early end nothing") {
  ignore_early_signals();
  ::raise(SIGUSR1);
  ::raise(SIGUSR2);
  CHECK(is_ignored(SIGUSR1));
  CHECK(is_ignored(SIGUSR2));
  CHECK(is_ignored(SIGPIPE));
}

TEST_CASE("Signals are delivered on the loop, one call each, not inside raise()") {
  Loop loop;
  std::vector<int> seen;
  auto signals = Signals::install(loop, [&](int signal_number) {
    seen.push_back(signal_number);
    if (seen.size() == 4) loop.stop();
  });
  REQUIRE(signals);
  for (int signal_number : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) ::raise(signal_number);
  CHECK(seen.empty());
  CHECK(loop.run());
  std::sort(seen.begin(), seen.end());
  std::vector<int> expected{SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
  std::sort(expected.begin(), expected.end());
  CHECK(seen == expected);
}

TEST_CASE("Signals leave nothing behind: no call after the end, user signals ignored") {
  Loop loop;
  int calls = 0;
  {
    auto signals = Signals::install(loop, [&](int) { ++calls; });
    REQUIRE(signals);
    ::raise(SIGUSR1);
  }
  ::raise(SIGUSR2);
  CHECK_FALSE(loop.run());
  CHECK(calls == 0);
  CHECK(is_ignored(SIGUSR1));
  CHECK(is_ignored(SIGUSR2));
}

TEST_CASE("Signals may be ended by their own handler") {
  Loop loop;
  std::unique_ptr<Signals> signals;
  int calls = 0;
  auto installed = Signals::install(loop, [&](int) {
    ++calls;
    signals.reset();
  });
  REQUIRE(installed);
  signals = std::move(*installed);
  ::raise(SIGTERM);
  CHECK_FALSE(loop.run());
  CHECK(calls == 1);
  CHECK(signals == nullptr);
}

TEST_CASE("Signals make writing to a closed socket an error, not an end") {
  Loop loop;
  auto signals = Signals::install(loop, [](int) {});
  REQUIRE(signals);
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  ::close(pair[1]);
  CHECK(::write(pair[0], "x", 1) == -1);
  ::close(pair[0]);
}

}  // namespace steeple::runtime
