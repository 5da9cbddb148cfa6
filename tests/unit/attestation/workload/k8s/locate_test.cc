#include "attestation/workload/k8s/locate.h"

#include <catch2/catch.hpp>

using namespace steeple::attestation;
using steeple::runtime::ErrorCode;

namespace {

const std::string C(64, 'c');
const std::string D(64, 'd');
const std::string U = "11111111-2222-3333-4444-555555555555";
const std::string V = "11111111_2222_3333_4444_555555555555";

std::string fill(std::string text) {
  const std::pair<std::string, std::string> names[] = {{"{C}", C}, {"{D}", D}, {"{U}", U}, {"{V}", V}};
  for (const auto& [name, value] : names) {
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name)) text.replace(at, 3, value);
  }
  return text;
}

struct Row {
  const char* cgroups;
  std::string uid;
  std::string container;
};

}  // namespace

TEST_CASE("Cgroups of every runtime and driver give pod and container") {
  const Row rows[] = {
      {"4:memory:/kubepods/burstable/pod{U}/{C}\n1:name=systemd:/kubepods/burstable/pod{U}/{C}\n", U, C},
      {"4:memory:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{V}.slice/cri-containerd-{C}.scope", U,
       C},
      {"0::/../../kubepods-besteffort-pod{V}.slice/cri-containerd-{C}.scope\n", U, C},
      {"0::/../cri-containerd-{C}.scope\n", "", C},
      {"0::/../crio-{C}.scope\n", "", C},
      {"0::/\n", "", ""},
      {"0::/kubepods.slice/kubepods-pod{V}.slice/crio-{C}.scope/container\n", U, C},
      {"0::/kubepods.slice/kubepods-pod{V}.slice/cri-containerd-{C}.scope/init.scope\n", U, C},
      {"9:cpu:/system.slice/containerd.service/kubepods-besteffort-pod{V}.slice:cri-containerd:{C}\n", U, C},
      {"1:cpuset:/docker/{D}/kubepods/besteffort/pod{U}/{C}\n0::/docker/{D}/system.slice/containerd.service\n", U, C},
      {"0::/docker/{D}/system.slice/containerd.service\n1:cpuset:/docker/{D}/kubepods/besteffort/pod{U}/{C}\n", U, C},
      {"12:hugetlb:/kubepods.slice/kubepods-besteffort-pod{V}.slice/crio-{C}.scope\n3:rdma:/\n0::/system.slice/"
       "crio.service",
       U, C},
      {"0::/kubepods/burstable/pod2732ca68f6358eba7703fb6f82a25c94/{C}\n", "", C},
      {"0::/kubepods/pod{U}\n", "", ""},
      {"11:hugetlb:/\n12:pids:/system.slice/crio-conmon-{C}.scope\n", "", C},
      {"1:name=systemd:/user.slice/user-1000.slice/session-2.scope\n", "", ""},
      {"0::/foo_{C}\n", "", ""},
      {"0::/{C}0\n", "", ""},
      {"0::/kubepods/pod{U}//{C}\n", "", C},
      {"0::/kubepods/pod{U}/{C}/\n", "", ""},
      {"0::/kubepods.slice/kubepods-pod{V}.slice/cri-containerd-{C}.scope/docker/{D}\n", U, D},
      {"0::/kubepods.slice/kubepods-pod{V}.slice/cri-containerd-{C}.scope/podaaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/"
       "{D}\n",
       "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", D},
  };
  for (const Row& row : rows) {
    INFO(row.cgroups);
    auto found = container_of_cgroups(fill(row.cgroups));
    REQUIRE(found);
    CHECK(found->pod_uid == row.uid);
    CHECK(found->container_id == row.container);
  }
}

TEST_CASE("A pod inside a pod names the outer one") {
  auto found =
      container_of_cgroups(fill("0::/kubepods.slice/kubepods-pod{V}.slice/cri-containerd-{C}.scope/"
                                "podaaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/{D}\n"));
  REQUIRE(found);
  CHECK(found->outer_pod_uids == std::vector<std::string>{U});
  found = container_of_cgroups(fill("0::/kubepods/pod2732ca68f6358eba7703fb6f82a25c94/{C}/pod{U}/{D}\n"));
  REQUIRE(found);
  CHECK(found->outer_pod_uids == std::vector<std::string>{"2732ca68f6358eba7703fb6f82a25c94"});
}

TEST_CASE("Lines that contradict each other, or are none, are errors with SPIRE's texts") {
  const auto text_of = [](std::string cgroups, ErrorCode code) {
    auto found = container_of_cgroups(fill(std::move(cgroups)));
    REQUIRE_FALSE(found);
    CHECK(found.error().code() == code);
    return found.error().message();
  };
  CHECK(text_of("12:pids:/system.slice/crio-conmon-{C}.scope\n11:hugetlb:/\n", ErrorCode::kFailedPrecondition) ==
        "multiple container IDs found (\"" + C + "\", \"\")");
  CHECK(text_of("4:cpu:/kubepods/pod{U}/{C}\n5:memory:/kubepods/podaaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee/{C}",
                ErrorCode::kFailedPrecondition) ==
        "multiple pod UIDs found (\"" + U + "\", \"aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\")");
  CHECK(text_of("4:cpu:/kubepods/pod{U}/{C}\n5:memory:/kubepods/pod{U}/{D}", ErrorCode::kFailedPrecondition) ==
        "multiple container IDs found (\"" + C + "\", \"" + D + "\")");
  CHECK(text_of("bad line", ErrorCode::kInternal) ==
        "unable to obtain cgroups: invalid cgroup entry, contains 1 colon separated fields but expected at least 3: "
        "\"bad line\"");
}
