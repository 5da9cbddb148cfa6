// Which container, which daemon, and whether the process is in it: all from cgroup files.
#include <catch2/catch.hpp>

#include "attestation/workload/docker/cgroup_matchers.h"
#include "attestation/workload/docker/membership.h"
#include "attestation/workload/docker/podman.h"

using namespace steeple::attestation;
using steeple::runtime::ErrorCode;

namespace {

const std::string C(64, 'c');
const std::string D(64, 'd');

CgroupMatchers matchers(const std::vector<std::string>& patterns) {
  auto made = CgroupMatchers::make(patterns);
  REQUIRE(made);
  return std::move(*made);
}
std::string complaint(const std::vector<std::string>& patterns) {
  auto made = CgroupMatchers::make(patterns);
  REQUIRE_FALSE(made);
  CHECK(made.error().code() == ErrorCode::kInvalidArgument);
  return made.error().message();
}

}  // namespace

TEST_CASE("Patterns match whole paths, piece by piece") {
  const CgroupMatchers one = matchers({"/docker/<id>"});
  CHECK(one.find("/docker/foo") == "foo");
  CHECK(one.find("/docker/") == "");
  for (const char* path :
       {"", "/", "/docker", "/dockerfoo", "/docker/foo/", "/docker/foo/bar", "/docker/foo/docker/foo"}) {
    INFO(path);
    CHECK_FALSE(one.find(path));
  }
  const CgroupMatchers many = matchers({"/long.slice/*/*/<id>/*", "/docker/<id>"});
  CHECK(many.find("/long.slice/foo/bar//qux") == "");
  CHECK(many.find("/long.slice/foo/bar/baz/") == "baz");
  CHECK(many.find("/long.slice/foo/bar/baz/qux") == "baz");
  CHECK(many.find("/docker/foo") == "foo");
  for (const char* path :
       {"/long.slice/foo/bar/baz", "/long.slice/foo/bar/baz/qux/qax", "/longXslice/foo/bar/baz/qux"}) {
    INFO(path);
    CHECK_FALSE(many.find(path));
  }
}

TEST_CASE("Patterns without one id, or that overlap, are refused with SPIRE's texts") {
  CHECK(complaint({"/noid"}) == "pattern \"/noid\" must contain the container id token \"<id>\" exactly once");
  CHECK(complaint({"/<id>/<id>"}) ==
        "pattern \"/<id>/<id>\" must contain the container id token \"<id>\" exactly once");
  CHECK(complaint({"/a-<id>"}) == "pattern \"/a-<id>\" must contain the container id token \"<id>\" exactly once");
  CHECK(complaint({"/docker/<id>", "/*/<id>"}) ==
        "dockerfinder: patterns must not be ambiguous: [\"/*/<id>\" \"/docker/<id>\"]");
  CHECK(complaint({"/docker/<id>", "/docker/<id>"}) ==
        "dockerfinder: patterns must not be ambiguous: [\"/docker/<id>\"]");
  CHECK(CgroupMatchers::make({"/a/<id>", "/b/<id>", "/a/<id>/c"}));
}

TEST_CASE("Lines of one process agree on its container, by pattern") {
  const CgroupMatchers docker = matchers({"/docker/<id>"});
  CHECK(docker.locate("2:cpu:/docker/foo\n1:name=systemd:/docker/foo\n0::/\n") == "foo");
  CHECK(docker.locate("0::/user.slice\n") == "");
  CHECK(docker.locate("") == "");
  auto two = docker.locate("2:cpu:/docker/foo\n1:pids:/docker/bar\n");
  REQUIRE_FALSE(two);
  CHECK(two.error().message() == "workloadattestor/docker: multiple container IDs found in cgroups (foo, bar)");
  auto none = docker.locate("2:cpu:/docker/\n");
  REQUIRE_FALSE(none);
  CHECK(none.error().message() == "workloadattestor/docker: a pattern matched, but no container id was found");
  CHECK(docker.locate("bad").error().code() == ErrorCode::kMalformed);
}

TEST_CASE("Podman's containers lead to the socket of their user, or of root") {
  DockerConfig config;
  CHECK(podman_host_of("0::/system.slice/docker-" + C + ".scope\n", config) == "");
  CHECK(podman_host_of("0::/machine.slice/libpod-" + C + ".scope/container\n", config) ==
        "unix:///run/podman/podman.sock");
  CHECK(podman_host_of("2:cpu:/libpod/" + C + "\n", config) == "unix:///run/podman/podman.sock");
  const std::string of_user = "user@1000.service/user.slice/libpod-" + C + ".scope/container\n";
  CHECK(podman_host_of("0::/user.slice/user-1000.slice/" + of_user, config) ==
        "unix:///run/user/1000/podman/podman.sock");
  CHECK(podman_host_of("0::/user.slice/user-.slice/" + of_user, config) == "unix:///run/podman/podman.sock");
  CHECK(podman_host_of("0::/user.slice/user-99999999999.slice/" + of_user, config) == "unix:///run/podman/podman.sock");
  config.podman_host_template = "unix:///%%x/%d.sock";
  CHECK(podman_host_of("0::/user.slice/user-7.slice/" + of_user, config) == "unix:///%x/7.sock");
  CHECK(podman_host_of("bad", config).error().code() == ErrorCode::kMalformed);
}

TEST_CASE("The template has one place for the user") {
  const auto text_of = [](const char* text) { return check_podman_template(text).error().message(); };
  CHECK(check_podman_template("unix:///run/user/%d/podman.sock"));
  CHECK(check_podman_template("unix:///%%/%d"));
  CHECK(text_of("unix:///x") == "template must contain exactly one %d UID placeholder");
  CHECK(text_of("unix:///%d/%d") == "template must contain exactly one %d UID placeholder");
  CHECK(text_of("unix:///%s") == "template only supports escaped %% or the %d UID placeholder");
  CHECK(text_of("unix:///%d%") == "trailing % at end of template");
}

TEST_CASE("A process is in a container when its path is the one of the container's first process") {
  const std::string real = "2:cpu:/docker/" + D + "\n1:name=systemd:/docker/" + D + "/init.scope\n0::/\n";
  const auto of = [&](const std::string& cgroups) { return membership_of(cgroups, real, D); };
  CHECK(of(real) == Membership::kInside);
  CHECK(of("2:cpu:/docker/" + D + "/deeper\n0::/\n") == Membership::kInside);
  CHECK(of("2:cpu:/docker/" + C + "/" + D + "\n") == Membership::kOutside);
  CHECK(of("2:cpu:/docker/" + D + "\n1:name=systemd:/user.slice/docker-" + D + ".scope\n") == Membership::kOutside);
  CHECK(of("0::/user.slice/user-1000.slice/user@1000.service/docker-" + D + ".scope\n") == Membership::kOutside);
  CHECK(of("0::/\n") == Membership::kOutside);
  CHECK(membership_of(real, "0::/\n", D) == Membership::kUnknown);
  CHECK(membership_of(real, "", D) == Membership::kUnknown);
  CHECK(membership_of(real, "bad", D) == Membership::kUnknown);
}
