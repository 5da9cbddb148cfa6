#include "runtime/os/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <fstream>

#include "os_test.h"
#include "runtime/os/umask.h"

namespace steeple::runtime {

namespace {

mode_t mode_of(const std::string& path) {
  struct stat status{};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

void write_plain(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

class UmaskScope {
 public:
  explicit UmaskScope(mode_t mask) : before_(::umask(mask)) {}
  ~UmaskScope() { ::umask(before_); }

 private:
  mode_t before_;
};

}  // namespace

TEST_CASE("read_file reads up to its limit") {
  TemporaryDirectory directory;
  const std::string path = directory.file("f");
  write_plain(path, std::string(20'000, 'a'));
  CHECK(read_file(path, 20'000).value() == std::string(20'000, 'a'));
  auto large = read_file(path, 19'999);
  REQUIRE_FALSE(large);
  CHECK(large.error() == Error(ErrorCode::kLimit, "read " + path + ": larger than the limit of 19999 bytes"));
  write_plain(path, "");
  CHECK(read_file(path, 0).value().empty());
}

TEST_CASE("read_file names what is missing or not a file as Go does") {
  TemporaryDirectory directory;
  const std::string path = directory.file("none");
  CHECK(read_file(path, 10).error() == Error(ErrorCode::kNotFound, "open " + path + ": no such file or directory"));
  CHECK(read_file(directory.path(), 10).error() ==
        Error(ErrorCode::kSystem, "read " + directory.path() + ": is a directory"));
}

TEST_CASE("replace_file replaces whole files and leaves no temporary") {
  TemporaryDirectory directory;
  const std::string path = directory.file("state.json");
  REQUIRE(replace_file(path, as_bytes("one"), 0600));
  CHECK(read_file(path, 100).value() == "one");
  CHECK(mode_of(path) == 0600);
  REQUIRE(replace_file(path, as_bytes("another"), 0600));
  CHECK(read_file(path, 100).value() == "another");
  CHECK(is_missing(path + ".tmp"));
}

TEST_CASE("replace_file narrows the mode of a temporary that was left over") {
  TemporaryDirectory directory;
  UmaskScope open_to_all(0);
  const std::string path = directory.file("keys.json");
  write_plain(path + ".tmp", "half of a key");
  CHECK(mode_of(path + ".tmp") == 0666);
  REQUIRE(replace_file(path, as_bytes("key"), 0600));
  CHECK(mode_of(path) == 0600);
  CHECK(read_file(path, 100).value() == "key");
}

TEST_CASE("replace_file keeps the umask and follows no symbolic link") {
  TemporaryDirectory directory;
  UmaskScope strict(0077);
  const std::string path = directory.file("svid.pem");
  REQUIRE(replace_file(path, as_bytes("x"), 0644));
  CHECK(mode_of(path) == 0600);
  const std::string victim = directory.file("victim");
  write_plain(victim, "precious");
  REQUIRE(::symlink(victim.c_str(), (path + ".tmp").c_str()) == 0);
  CHECK_FALSE(replace_file(path, as_bytes("y"), 0644));
  CHECK(read_file(victim, 100).value() == "precious");
  CHECK(read_file(path, 100).value() == "x");
}

TEST_CASE("replace_file leaves the old file when it cannot write") {
  TemporaryDirectory directory;
  CHECK(replace_file(directory.file("no/such/f"), as_bytes("x"), 0600).error().message() ==
        "open " + directory.file("no/such/f.tmp") + ": no such file or directory");
  const std::string path = directory.file("d");
  REQUIRE(make_directories(path + "/inside", 0700));
  auto result = replace_file(path, as_bytes("x"), 0600);  // a directory with content cannot be replaced
  REQUIRE_FALSE(result);
  CHECK_FALSE(is_missing(path + "/inside"));
  CHECK(is_missing(path + ".tmp"));
}

TEST_CASE("keep_aside renames to the first free name") {
  TemporaryDirectory directory;
  const std::string path = directory.file("agent-data.json");
  for (const char* number : {"1", "2", "3"}) {
    write_plain(path, number);
    CHECK(keep_aside(path).value() == path + ".damaged-" + number);
    CHECK(is_missing(path));
  }
  CHECK(read_file(path + ".damaged-2", 10).value() == "2");
  CHECK(keep_aside(path).error().code() == ErrorCode::kNotFound);
}

TEST_CASE("make_directories makes parents under the umask and leaves what is there") {
  TemporaryDirectory directory;
  UmaskScope mask(0027);
  const std::string path = directory.file("a/b/c");
  CHECK(is_missing(path));
  REQUIRE(make_directories(path, 0755));
  CHECK(mode_of(path) == 0750);
  CHECK(mode_of(directory.file("a")) == 0750);
  REQUIRE(::chmod(path.c_str(), 0700) == 0);
  REQUIRE(make_directories(path + "/", 0755));
  CHECK(mode_of(path) == 0700);
  write_plain(directory.file("f"), "");
  CHECK(make_directories(directory.file("f"), 0755).error().message() ==
        "mkdir " + directory.file("f") + ": not a directory");
  CHECK(make_directories(directory.file("f/g"), 0755).error().message() ==
        "mkdir " + directory.file("f") + ": not a directory");
  CHECK(make_directories(std::string(5000, 'x'), 0755).error().code() == ErrorCode::kSystem);
}

TEST_CASE("parent_directory cuts the last element") {
  CHECK(parent_directory("/a/b") == "/a");
  CHECK(parent_directory("/a/b/") == "/a");
  CHECK(parent_directory("/a//b") == "/a");
  CHECK(parent_directory("/a") == "/");
  CHECK(parent_directory("/") == "/");
  CHECK(parent_directory("a") == ".");
  CHECK(parent_directory("a/b") == "a");
  CHECK(parent_directory("") == ".");
}

TEST_CASE("go_errno_text is Go's wording") {
  CHECK(go_errno_text(ENOENT) == "no such file or directory");
  CHECK(go_errno_text(EADDRINUSE) == "address already in use");
  CHECK(go_errno_text(EIO) == "input/output error");
}

TEST_CASE("raise_umask adds bits and keeps those that are set") {
  UmaskScope outer(0022);
  UmaskChange first = raise_umask();
  CHECK(first.before == 0022);
  CHECK(first.now == 0027);
  CHECK(first.changed());
  UmaskChange second = raise_umask();
  CHECK_FALSE(second.changed());
  ::umask(0077);
  UmaskChange third = raise_umask();
  CHECK_FALSE(third.changed());
  CHECK(third.now == 0077);
  CHECK(::umask(0022) == 0077);
}

}  // namespace steeple::runtime
