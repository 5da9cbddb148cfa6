#include "attestation/workload/unix/unix_attestor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/sha.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "attestation/workload/table.h"
#include "attestation/workload/unix/process_selectors.h"
#include "runtime/core/clock.h"
#include "runtime/task/blocking.h"
#include "tests/fakes/own_peer.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using steeple::tests::own_peer;

namespace {

std::string texts(const std::vector<Selector>& selectors) {
  std::string all;
  for (const Selector& selector : selectors) all += selector.text() + '\n';
  return all;
}

std::optional<std::string> no_name(std::uint32_t) { return std::nullopt; }

struct World {
  World() : names(clock, "/nonexistent/passwd", "/nonexistent/group"), workers(loop, 1, 16), peer(own_peer()) {}
  Result<Selectors> attest(UnixConfig config, StopToken stop = {}) {
    UnixAttestor attestor(config, names, loop, workers);
    Result<ProcessHandle> process = ProcessHandle::open(peer);
    REQUIRE(process);
    return run_until_done(loop, attestor.attest(*process, Deadline::never(), stop));
  }
  SystemClock clock;
  Loop loop;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{loop.io().get_executor()};
  AccountNames names;
  WorkerPool workers;
  Peer peer;
};

std::string own_digest() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  std::string bytes = content.str();
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), digest);
  std::string hex;
  for (unsigned char byte : digest) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace

TEST_CASE("process_selectors takes the effective ids and all groups, in upstream's order") {
  auto user = [](std::uint32_t id) { return id == 33 ? std::optional<std::string>("www-data") : std::nullopt; };
  auto group = [](std::uint32_t id) { return id == 4 ? std::optional<std::string>("adm") : std::nullopt; };
  auto found = process_selectors(
      "Name:\tx\nUid:\t1000\t33\t33\t33\nGid:\t1000\t44\t44\t44\nGroups:\t4 24 44 \nNStgid:\t1\n", user, group);
  REQUIRE(found);
  CHECK(texts(*found) ==
        "unix:uid:33\nunix:user:www-data\nunix:gid:44\nunix:supplementary_gid:4\nunix:supplementary_group:adm\n"
        "unix:supplementary_gid:24\nunix:supplementary_gid:44\n");
}

TEST_CASE("process_selectors refuses a status without ids") {
  auto fails = [](std::string_view status) {
    auto found = process_selectors(status, no_name, no_name);
    REQUIRE_FALSE(found);
    CHECK(found.error().code() == ErrorCode::kInternal);
    return found.error().message();
  };
  CHECK(fails("").starts_with("UIDs lookup: "));
  CHECK(fails("Gid:\t1\t1\t1\t1\nGroups:\t\n").starts_with("UIDs lookup: "));
  CHECK(fails("Uid:\t1\t1\t1\t1\nGroups:\t\n").starts_with("GIDs lookup: "));
  CHECK(fails("Uid:\t1\t1\t1\t1\nGid:\t1\t1\t1\t1\nGroups:\tx\n").starts_with("supplementary GIDs lookup: "));
}

TEST_CASE("UnixAttestor describes a process without account files") {
  World world;
  Result<Selectors> selectors = world.attest({});
  REQUIRE(selectors);
  CHECK(selectors->contains({"unix", "uid:" + std::to_string(::geteuid())}));
  CHECK(selectors->contains({"unix", "gid:" + std::to_string(::getegid())}));
  for (const Selector& selector : *selectors) {
    CHECK_FALSE(selector.value().starts_with("user:"));
    CHECK_FALSE(selector.value().starts_with("group:"));
    CHECK_FALSE(selector.value().starts_with("path:"));
    CHECK_FALSE(selector.value().starts_with("sha256:"));
  }
}

TEST_CASE("UnixAttestor gives path and digest of the executable on request") {
  World world;
  char path[4096];
  ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  REQUIRE(size > 0);
  Selector own_path("unix", "path:" + std::string(path, static_cast<std::size_t>(size)));
  SECTION("both") {
    UnixConfig config{true, 0};
    Result<Selectors> selectors = world.attest(config);
    REQUIRE(selectors);
    CHECK(selectors->contains(own_path));
    CHECK(selectors->contains({"unix", "sha256:" + own_digest()}));
  }
  SECTION("the path only, with a negative limit") {
    UnixConfig config{true, -1};
    Result<Selectors> selectors = world.attest(config);
    REQUIRE(selectors);
    CHECK(selectors->contains(own_path));
    for (const Selector& selector : *selectors) CHECK_FALSE(selector.value().starts_with("sha256:"));
  }
  SECTION("nothing at all when the executable is too large") {
    UnixConfig config{true, 10};
    Result<Selectors> selectors = world.attest(config);
    REQUIRE_FALSE(selectors);
    CHECK(selectors.error().code() == ErrorCode::kInternal);
    std::string expected = "SHA256 digest: workload /proc/" + std::to_string(::getpid()) + "/exe exceeds size limit (";
    CHECK(selectors.error().message().starts_with(expected));
    CHECK(selectors.error().message().ends_with(" > 10)"));
  }
}

TEST_CASE("UnixAttestor says when the process is gone") {
  World world;
  int gate[2];
  REQUIRE(::pipe2(gate, O_CLOEXEC) == 0);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::close(gate[1]);
    char byte;
    [[maybe_unused]] ssize_t got = ::read(gate[0], &byte, 1);
    ::_exit(0);
  }
  // A peer of a kernel without pidfds: the start time tells.
  Peer peer(PeerCredentials{child, ::geteuid(), ::getegid()}, FileDescriptor(), 0);
  std::string stat_path = "/proc/" + std::to_string(child) + "/stat";
  std::ifstream stat(stat_path);
  std::stringstream text;
  text << stat.rdbuf();
  std::string rest = text.str().substr(text.str().rfind(')') + 2);
  std::stringstream fields(rest);
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;
  Peer right(PeerCredentials{child, ::geteuid(), ::getegid()}, FileDescriptor(), std::stoull(field));
  Result<ProcessHandle> process = ProcessHandle::open(right);
  REQUIRE(process);
  CHECK_FALSE(ProcessHandle::open(peer));  // another start time: another process
  ::close(gate[1]);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  UnixAttestor attestor({}, world.names, world.loop, world.workers);
  Result<Selectors> selectors = run_until_done(world.loop, attestor.attest(*process, Deadline::never(), {}));
  REQUIRE_FALSE(selectors);
  CHECK(selectors.error().message() == "failed to get process: process does not exist");
  CHECK_FALSE(process->verify_alive());
  ::close(gate[0]);
}

TEST_CASE("The table makes what it names") {
  World world;
  CHECK(built_in_workload_attestors() == std::vector<std::string_view>{"docker", "k8s", "systemd", "unix"});
  CHECK(is_built_in_workload_attestor("unix"));
  CHECK_FALSE(is_built_in_workload_attestor("slurm"));
  auto made = make_workload_attestor(UnixConfig{}, {world.loop, world.workers, world.names, {}});
  REQUIRE(made);
  CHECK((*made)->name() == "unix");
}
