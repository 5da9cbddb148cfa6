#include "attestation/workload/unix/file_digester.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "runtime/task/blocking.h"
#include "runtime/task/task_group.h"
#include "runtime/task/timeout.h"

using namespace steeple::attestation;
using namespace steeple::runtime;

namespace {

constexpr const char* kEmptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kAbcDigest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

struct World {
  World() : workers(loop, 1, 16) { REQUIRE(::mkdtemp(folder)); }
  ~World() {
    for (const std::string& path : made) ::unlink(path.c_str());
    ::rmdir(folder);
  }
  std::string file(const std::string& name, std::string_view content) {
    std::string path = std::string(folder) + "/" + name;
    FileDescriptor out(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    REQUIRE(::write(out.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size()));
    made.push_back(path);
    return path;
  }
  FileDescriptor open(const std::string& path) {
    FileDescriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(opened);
    return opened;
  }
  Loop loop;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{loop.io().get_executor()};
  WorkerPool workers;
  char folder[40] = "/tmp/steeple-digest-XXXXXX";
  std::vector<std::string> made;
};

Result<std::string> digest_of(World& world, FileDigester& digester, const std::string& path,
                              std::int64_t size_max = 0) {
  return run_until_done(world.loop, digester.sha256(world.open(path), path, size_max, Deadline::never(), {}));
}

Task<void> collect(FileDigester& digester, FileDescriptor file, std::vector<Result<std::string>>& results,
                   StopToken stop) {
  results.push_back(co_await digester.sha256(std::move(file), "path", 0, Deadline::never(), stop));
}

}  // namespace

TEST_CASE("FileDigester hashes a file and remembers it") {
  World world;
  FileDigester digester(world.loop, world.workers);
  std::string path = world.file("abc", "abc");
  CHECK(*digest_of(world, digester, path) == kAbcDigest);
  CHECK(*digest_of(world, digester, path) == kAbcDigest);
  CHECK(digester.runs() == 1);
  CHECK(*digest_of(world, digester, world.file("empty", "")) == kEmptyDigest);
  CHECK(digester.runs() == 2);
}

TEST_CASE("FileDigester hashes a file again that has changed, whatever its size and time") {
  World world;
  FileDigester digester(world.loop, world.workers);
  std::string path = world.file("a", "abd");
  struct stat before{};
  REQUIRE(::stat(path.c_str(), &before) == 0);
  CHECK(*digest_of(world, digester, path) != kAbcDigest);
  world.file("a", "abc");
  timespec times[2] = {before.st_atim, before.st_mtim};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);  // the change time cannot be set back
  struct stat after{};
  REQUIRE(::stat(path.c_str(), &after) == 0);
  if (FileIdentity(before) == FileIdentity(after)) return;  // a clock too coarse to tell
  CHECK(*digest_of(world, digester, path) == kAbcDigest);
}

TEST_CASE("FileDigester refuses files above the limit before reading them") {
  World world;
  FileDigester digester(world.loop, world.workers);
  std::string path = world.file("abc", "abc");
  Result<std::string> digest = digest_of(world, digester, path, 2);
  REQUIRE_FALSE(digest);
  CHECK(digest.error().message() == "workload " + path + " exceeds size limit (3 > 2)");
  CHECK(digester.runs() == 0);
  CHECK(digest_of(world, digester, path, 3));
}

TEST_CASE("FileDigester reads a file once for all who ask at the same time") {
  World world;
  FileDigester digester(world.loop, world.workers);
  std::string path = world.file("abc", "abc");
  std::string other = world.file("other", "");
  std::vector<Result<std::string>> results;
  TaskGroup group(world.loop);
  for (int i = 0; i < 50; ++i) group.spawn(collect(digester, world.open(path), results, {}));
  group.spawn(collect(digester, world.open(other), results, {}));
  run_until_done(world.loop, group.join());
  REQUIRE(results.size() == 51);
  int abc = 0;
  for (const Result<std::string>& result : results) {
    REQUIRE(result);
    abc += *result == kAbcDigest;
  }
  CHECK(abc == 50);
  CHECK(digester.runs() == 2);
}

TEST_CASE("FileDigester serves those who stay when the first one leaves") {
  World world;
  FileDigester digester(world.loop, world.workers);
  std::string busy = world.file("busy", std::string(1 << 20, 'x'));
  std::string path = world.file("abc", "abc");
  std::vector<Result<std::string>> ahead, leaver, stayer;
  StopSource leaves;
  TaskGroup group(world.loop);
  group.spawn(collect(digester, world.open(busy), ahead, {}));  // holds the one turn
  group.spawn(collect(digester, world.open(path), leaver, leaves.token()));
  group.spawn(collect(digester, world.open(path), stayer, {}));
  leaves.request_stop(StopReason::kCallerCancelled);
  run_until_done(world.loop, group.join());
  REQUIRE(leaver.size() == 1);
  CHECK_FALSE(leaver[0]);
  CHECK(leaver[0].error().code() == ErrorCode::kCancelled);
  REQUIRE(stayer.size() == 1);
  REQUIRE(stayer[0]);
  CHECK(*stayer[0] == kAbcDigest);
}

TEST_CASE("FileDigester gives up a file that nobody waits for") {
  World world;
  FileDigester digester(world.loop, world.workers);
  std::string busy = world.file("busy", std::string(1 << 20, 'x'));
  std::string path = world.file("abc", "abc");
  std::vector<Result<std::string>> ahead, left, again;
  StopSource leaves;
  TaskGroup group(world.loop);
  group.spawn(collect(digester, world.open(busy), ahead, {}));
  group.spawn(collect(digester, world.open(path), left, leaves.token()));
  group.spawn(collect(digester, world.open(path), left, leaves.token()));
  leaves.request_stop(StopReason::kPeerGone);
  group.spawn(collect(digester, world.open(path), again, {}));  // a new caller is not refused with them
  run_until_done(world.loop, group.join());
  REQUIRE(left.size() == 2);
  CHECK_FALSE(left[0]);
  CHECK_FALSE(left[1]);
  REQUIRE(again.size() == 1);
  CHECK(*again[0] == kAbcDigest);
  CHECK(digester.runs() == 2);
}

TEST_CASE("FileDigester keeps the digests used last") {
  World world;
  FileDigester digester(world.loop, world.workers, 2);
  std::string a = world.file("a", "a"), b = world.file("b", "b"), c = world.file("c", "c");
  digest_of(world, digester, a).value();
  digest_of(world, digester, b).value();
  digest_of(world, digester, a).value();
  digest_of(world, digester, c).value();  // pushes b out
  CHECK(digester.kept() == 2);
  CHECK(digester.runs() == 3);
  digest_of(world, digester, a).value();
  CHECK(digester.runs() == 3);
  digest_of(world, digester, b).value();
  CHECK(digester.runs() == 4);
}
