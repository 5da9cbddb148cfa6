#include "runtime/os/passwd.h"

#include <fstream>

#include "os_test.h"

namespace steeple::runtime {

namespace {

class HandClock final : public Clock {
 public:
  SteadyTime now() const override { return time; }
  WallTime wall_now() const override { return {}; }
  SteadyTime time{std::chrono::hours(1)};
};

}  // namespace

TEST_CASE("parse_account_file keeps the first name of each id") {
  auto names = parse_account_file("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n# c:x:9:\n\nweb:x:33:\n");
  CHECK(names.size() == 2);
  CHECK(names.at(0) == "root");
  CHECK(names.at(33) == "web");
}

TEST_CASE("parse_account_file skips lines that are none") {
  CHECK(parse_account_file("").empty());
  CHECK(parse_account_file("root").empty());
  CHECK(parse_account_file("root:x").empty());
  CHECK(parse_account_file("root:x:0").empty());
  CHECK(parse_account_file(":x:1:1\n+nis:x:2:2\n-no:x:3:3\na:x::4\nb:x:-5:5\nc:x:4294967296:6\nd:x:7z:7").empty());
  CHECK(parse_account_file("e:x:4294967295:").at(4294967295u) == "e");
}

TEST_CASE("AccountNames has no names without files and sees them appear, change and go") {
  TemporaryDirectory directory;
  HandClock clock;
  AccountNames names(clock, directory.file("passwd"), directory.file("group"));
  CHECK_FALSE(names.user(0));
  CHECK_FALSE(names.group(0));
  std::ofstream(directory.file("passwd")) << "root:x:0:0::/root:/bin/sh\n";
  std::ofstream(directory.file("group")) << "wheel:x:0:\n";
  CHECK_FALSE(names.user(0));  // not looked at again within a second
  clock.time += kAccountCheckInterval;
  CHECK(names.user(0).value() == "root");
  CHECK(names.group(0).value() == "wheel");
  CHECK_FALSE(names.user(12));
  std::ofstream(directory.file("passwd")) << "admin:x:0:0::/root:/bin/sh\n";
  clock.time += kAccountCheckInterval;
  CHECK(names.user(0).value() == "admin");
  std::filesystem::remove(directory.file("passwd"));
  CHECK(names.user(0).value() == "admin");
  clock.time += kAccountCheckInterval;
  CHECK_FALSE(names.user(0));
}

}  // namespace steeple::runtime
