#include "runtime/os/unix_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "os_test.h"
#include "runtime/os/file.h"

namespace steeple::runtime {

namespace {

struct stat status_of(const std::string& path) {
  struct stat status{};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

std::string bind_failure(const std::string& path) {
  Result<UnixListener> listener = UnixListener::bind(path, 0777);
  return listener ? "bound" : listener.error().message();
}

}  // namespace

TEST_CASE("UnixListener binds with its mode whatever the umask, and accepts") {
  TemporaryDirectory directory;
  const mode_t before = ::umask(0077);
  const std::string path = directory.file("api.sock");
  Result<UnixListener> listener = UnixListener::bind(path, 0777);
  ::umask(before);
  REQUIRE(listener);
  CHECK(S_ISSOCK(status_of(path).st_mode));
  CHECK((status_of(path).st_mode & 07777) == 0777);
  Result<FileDescriptor> client = connect_unix(path);
  REQUIRE(client);
  FileDescriptor accepted(::accept(listener->fd(), nullptr, nullptr));
  CHECK(accepted);
}

TEST_CASE("UnixListener replaces what stands at its path") {
  TemporaryDirectory directory;
  const std::string path = directory.file("api.sock");
  SECTION("a file") { std::ofstream(path) << "text"; }
  SECTION("an empty directory") { REQUIRE(::mkdir(path.c_str(), 0755) == 0); }
  SECTION("a dangling link") { REQUIRE(::symlink("/nonexistent", path.c_str()) == 0); }
  SECTION("a link to a file, which stays") {
    std::ofstream(directory.file("target")) << "text";
    REQUIRE(::symlink(directory.file("target").c_str(), path.c_str()) == 0);
  }
  SECTION("the socket of another listener") {
    Result<UnixListener> other = UnixListener::bind(path, 0777);
    REQUIRE(other);
    Result<UnixListener> mine = UnixListener::bind(path, 0770);
    REQUIRE(mine);
    other->close();
    CHECK_FALSE(is_missing(path));  // it is not the other's any more
    CHECK(connect_unix(path));
  }
  CHECK(bind_failure(path) == "bound");
  CHECK(is_missing(path));
  if (!is_missing(directory.file("target"))) CHECK(read_file(directory.file("target"), 10).value() == "text");
}

TEST_CASE("UnixListener says why it cannot bind as upstream does") {
  TemporaryDirectory directory;
  const std::string full = directory.file("full");
  REQUIRE(make_directories(full + "/x", 0755));
  CHECK(bind_failure(full) == "create UDS listener: listen unix " + full + ": bind: address already in use");
  std::ofstream(directory.file("file")) << "";
  const std::string below = directory.file("file/s");
  CHECK(bind_failure(below) == "create UDS listener: listen unix " + below + ": bind: not a directory");
  const std::string longest =
      directory.path() + "/" + std::string(kUnixPathBytesMax - directory.path().size() - 1, 'p');
  CHECK(bind_failure(longest) == "bound");
  CHECK(bind_failure(longest + "p") == "create UDS listener: listen unix " + longest + "p: bind: invalid argument");
  CHECK(bind_failure("") == "create UDS listener: listen unix : bind: invalid argument");
  Result<UnixListener> admin = UnixListener::bind(full, 0770, "error creating UDS listener");
  REQUIRE_FALSE(admin);
  CHECK(admin.error().message() ==
        "error creating UDS listener: listen unix " + full + ": bind: address already in use");
}

TEST_CASE("UnixListener removes its file at its end only while it is its own") {
  TemporaryDirectory directory;
  const std::string path = directory.file("api.sock");
  {
    Result<UnixListener> listener = UnixListener::bind(path, 0777);
    REQUIRE(listener);
    UnixListener moved = std::move(*listener);
    listener->close();  // owns nothing any more
    CHECK_FALSE(is_missing(path));
  }
  CHECK(is_missing(path));
  {
    Result<UnixListener> listener = UnixListener::bind(path, 0777);
    REQUIRE(listener);
    REQUIRE(::unlink(path.c_str()) == 0);
    std::ofstream(path) << "somebody else's";
  }
  CHECK(read_file(path, 100).value() == "somebody else's");
}

TEST_CASE("connect_unix says why it cannot connect") {
  TemporaryDirectory directory;
  const std::string path = directory.file("s");
  CHECK(connect_unix(path).error() ==
        Error(ErrorCode::kNotFound, "dial unix " + path + ": connect: no such file or directory"));
  {
    Result<UnixListener> listener = UnixListener::bind(path, 0777);
    REQUIRE(listener);
    REQUIRE(::rename(path.c_str(), directory.file("left").c_str()) == 0);
  }
  const std::string left = directory.file("left");
  CHECK(connect_unix(left).error() ==
        Error(ErrorCode::kUnavailable, "dial unix " + left + ": connect: connection refused"));
  CHECK(connect_unix(std::string(108, 'x')).error().message() ==
        "dial unix " + std::string(108, 'x') + ": connect: invalid argument");
}

}  // namespace steeple::runtime
