// What the client commands said when no agent was there, over real sockets that nobody serves.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "recordings.h"

using namespace steeple::tests;

namespace {

class World {
 public:
  World() : before_(std::filesystem::current_path()) {
    char name[] = "/tmp/steeple-off-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
    std::ofstream(path_ + "/file") << "x";
    leave_stale(path_ + "/stale.sock");
    leave_stale(path_ + "/stale2.sock");
    std::filesystem::current_path(path_);
  }
  ~World() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(path_);
  }
  const std::string& path() const { return path_; }

 private:
  static void leave_stale(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    close(fd);
  }
  std::filesystem::path before_;
  std::string path_;
};

std::size_t check_recordings(const std::string& file) {
  const World world;
  std::size_t compared = 0;
  for (const Recording& recording : load_recordings(file, {{"<TMP>", world.path()}})) {
    if (recording.state.empty() && recording.id != "env-template-no-placeholder") continue;
    INFO(file << ": " << recording.id);
    const Printed printed = run_recording(recording);
    CHECK(printed.exit == recording.exit);
    CHECK(printed.out == recording.out);
    CHECK(printed.err == recording.err);
    ++compared;
  }
  return compared;
}

}  // namespace

TEST_CASE("A listener that never answers is given up at the timeout") {
  const World world;
  const std::string path = world.path() + "/mute.sock";
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(listen(fd, 4) == 0);
  Recording recording;
  recording.arguments = {"api", "fetch", "x509", "-socketPath", path, "-timeout", "40ms"};
  const Printed printed = run_recording(recording);
  close(fd);
  CHECK(printed.exit == 1);
  CHECK(printed.err ==
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded while waiting for connections to become "
        "ready\n");
}

TEST_CASE("Fetching without an agent fails as recorded") { CHECK(check_recordings("fetch-x509.jsonl") >= 11); }
TEST_CASE("Fetching a JWT without an agent, or without an audience, fails as recorded") {
  CHECK(check_recordings("fetch-jwt.jsonl") == 3);
}
TEST_CASE("Validating a JWT without an agent fails as recorded") { CHECK(check_recordings("validate-jwt.jsonl") == 1); }
TEST_CASE("Health without an agent is as recorded") { CHECK(check_recordings("healthcheck.jsonl") == 5); }
