// The vectors of attestation 7, by both locators.
#include "attestation/container/container_locator.h"

#include <catch2/catch.hpp>

#include "attestation/container/legacy_locator.h"

using namespace steeple::attestation;
using steeple::runtime::ErrorCode;
using steeple::runtime::Result;

namespace {

const std::string C(64, 'c');
const std::string D(64, 'd');
const std::string U = "11111111-2222-3333-4444-555555555555";
const std::string V = "11111111_2222_3333_4444_555555555555";
const std::string kStaticPod = "2732ca68f6358eba7703fb6f82a25c94";
const std::string kForgedPod = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";

std::string fill(std::string text) {
  const std::pair<std::string, std::string> names[] = {{"{C}", C}, {"{D}", D}, {"{U}", U}, {"{V}", V}};
  for (const auto& [name, value] : names) {
    for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name)) text.replace(at, 3, value);
  }
  return text;
}

// "POD CONTAINER", "none", or the error.
std::string answer_of(const Result<ContainerIds>& found) {
  if (!found) return std::string(to_string(found.error().code())) + ": " + found.error().message();
  if (found->container_id.empty() && found->pod_uid.empty()) return "none";
  return "pod=" + found->pod_uid + " container=" + found->container_id;
}
std::string newer(const std::string& cgroups) { return answer_of(locate_container(fill(cgroups), LocatePods::kYes)); }
std::string docker(const std::string& cgroups) { return answer_of(locate_container(fill(cgroups), LocatePods::kNo)); }
std::string legacy(const std::string& cgroups) { return answer_of(locate_container_legacy(fill(cgroups))); }

std::string is(const std::string& pod, const std::string& container) {
  return "pod=" + pod + " container=" + container;
}
std::string precondition(const std::string& text) {
  return std::string(to_string(ErrorCode::kFailedPrecondition)) + ": " + fill(text);
}

struct Row {
  const char* number;
  std::string cgroups;
  std::string newer;
  std::string legacy;
};

}  // namespace

TEST_CASE("Cgroups of every runtime and driver, by both locators") {
  const std::string none = "none", both = is(U, C), only_id = is("", C);
  const Row rows[] = {
      {"1", "4:memory:/kubepods/burstable/pod{U}/{C}\n1:name=systemd:/kubepods/burstable/pod{U}/{C}\n", both, both},
      {"2",
       "4:memory:/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{V}.slice/cri-containerd-{C}.scope",
       both, both},
      {"3", "0::/../../kubepods-besteffort-pod{V}.slice/cri-containerd-{C}.scope\n", both, both},
      {"4", "0::/../cri-containerd-{C}.scope\n", only_id, none},
      {"5", "0::/../crio-{C}.scope\n", only_id, only_id},
      {"6", "0::/\n", none, none},
      {"7", "0::/kubepods.slice/kubepods-pod{V}.slice/crio-{C}.scope/container\n", both, none},
      {"8", "0::/kubepods.slice/kubepods-pod{V}.slice/cri-containerd-{C}.scope/init.scope\n", both, none},
      {"9", "9:cpu:/system.slice/containerd.service/kubepods-besteffort-pod{V}.slice:cri-containerd:{C}\n", both, both},
      {"10", "0::/kubepods/besteffort/pod{U}/{C}\n", both, both},
      {"11", "1:cpuset:/docker/{D}/kubepods/besteffort/pod{U}/{C}\n0::/docker/{D}/system.slice/containerd.service\n",
       both, both},
      {"12", "0::/docker/{D}/system.slice/containerd.service\n1:cpuset:/docker/{D}/kubepods/besteffort/pod{U}/{C}\n",
       both, both},
      {"13",
       "0::/docker/{D}/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/"
       "kubelet-kubepods-besteffort-pod{V}.slice/cri-containerd-{C}.scope\n",
       both, both},
      {"14",
       "12:hugetlb:/kubepods.slice/kubepods-besteffort-pod{V}.slice/crio-{C}.scope\n3:rdma:/\n0::/system.slice/"
       "crio.service",
       both, both},
      {"15", "0::/kubepods/burstable/pod" + kStaticPod + "/{C}\n", only_id, is(kStaticPod, C)},
      {"16", "0::/kubepods/pod{U}\n", none, none},
      {"17", "12:pids:/system.slice/crio-conmon-{C}.scope\n11:hugetlb:/\n",
       precondition("multiple container IDs found (\"{C}\", \"\")"), none},
      {"18", "2:cpu:/docker/{C}\n0::/\n", precondition("multiple container IDs found (\"{C}\", \"\")"), none},
      {"20", "11:hugetlb:/\n12:pids:/system.slice/crio-conmon-{C}.scope\n", only_id, none},
      {"23", "1:name=systemd:/user.slice/user-1000.slice/session-2.scope\n", none, none},
      {"24", "0::/foo_{C}\n", none, none},
      {"24", "0::/{C}0\n", none, none},
      {"25", "0::/kubepods/pod{U}//{C}\n", only_id, none},
      {"25", "0::/kubepods/pod{U}/{C}/\n", none, none},
      {"26", "0::/kubepods.slice/kubepods-pod{V}.slice/cri-containerd-{C}.scope/docker/{D}\n", is(U, D), is(U, D)},
      {"27", "0::/kubepods.slice/kubepods-pod{V}.slice/cri-containerd-{C}.scope/pod" + kForgedPod + "/{D}\n",
       is(kForgedPod, D), is(U, D)},
      {"28", "4:cpu:/kubepods/pod{U}/{C}\n5:memory:/kubepods/pod" + kForgedPod + "/{C}",
       precondition("multiple pod UIDs found (\"{U}\", \"" + kForgedPod + "\")"),
       precondition("multiple pod UIDs found in cgroups ({U}, " + kForgedPod + ")")},
      {"29", "4:cpu:/kubepods/pod{U}/{C}\n5:memory:/kubepods/pod{U}/{D}",
       precondition("multiple container IDs found (\"{C}\", \"{D}\")"),
       precondition("multiple container IDs found in cgroups ({C}, {D})")},
  };
  for (const Row& row : rows) {
    INFO(row.number << ": " << row.cgroups);
    CHECK(newer(row.cgroups) == row.newer);
    CHECK(legacy(row.cgroups) == row.legacy);
  }
}

TEST_CASE("What is no cgroup file is an error of both locators") {
  const std::string error = std::string(to_string(ErrorCode::kInternal)) +
                            ": unable to obtain cgroups: invalid cgroup entry, contains 1 colon separated fields but "
                            "expected at least 3: \"bad line\"";
  CHECK(newer("bad line") == error);
  CHECK(legacy("bad line") == error);
  CHECK(newer("1:cpu") != "none");
  CHECK(newer("") == "none");
  CHECK(legacy("") == "none");
}

TEST_CASE("Where pods are not looked for, the container's id is enough") {
  const std::string id = is("", C);
  const std::string other_line = precondition("multiple container IDs found (\"{C}\", \"\")");
  CHECK(docker("2:cpu:/docker/{C}\n0::/\n") == other_line);
  CHECK(docker("2:cpu:/docker/{C}\n0::/system.slice/containerd.service\n") == other_line);
  CHECK(docker("2:cpu:/docker/{C}\n1:name=systemd:/docker/{C}\n") == id);
  CHECK(docker("0::/system.slice/docker-{C}.scope\n") == id);
  CHECK(docker("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{C}.scope/container\n") == id);
  CHECK(docker("0::/kubepods/pod{U}/{C}\n") == id);
  CHECK(docker("4:cpu:/kubepods/pod{U}/{C}\n5:memory:/kubepods/pod" + kForgedPod + "/{C}") == id);
  CHECK(docker("1:name=systemd:/user.slice/user-1000.slice/session-2.scope\n") == "none");
}

TEST_CASE("Names further out are handed along") {
  const auto outer = [](const std::string& cgroups) { return *locate_container(fill(cgroups), LocatePods::kYes); };
  const std::string forged = "0::/kubepods/pod{U}/{C}/pod" + kForgedPod + "/{D}\n";
  CHECK(outer(forged).outer_pod_uids == std::vector{U});
  CHECK(outer(forged).outer_container_ids == std::vector{C});
  CHECK(outer("0::/kubepods/pod" + kStaticPod + "/{C}/pod{U}/{D}\n").outer_pod_uids == std::vector{kStaticPod});
  CHECK(outer("0::/kubepods/pod" + kStaticPod + "/{C}/{D}\n").outer_pod_uids == std::vector{kStaticPod});
  CHECK(outer("0::/kubepods/pod" + kStaticPod + "/{C}/{D}\n").outer_container_ids == std::vector{C});
  CHECK(outer("0::/../cri-containerd-{C}.scope/{D}\n").outer_container_ids == std::vector{C});
  CHECK(outer("0::/kubepods/pod{U}/{C}\n").outer_pod_uids.empty());
  CHECK(outer("0::/kubepods/pod{U}/{C}\n").outer_container_ids.empty());
  CHECK(locate_container(fill(forged), LocatePods::kNo)->outer_pod_uids.empty());
}

TEST_CASE("Names below a user's service manager are told from others, by both locators") {
  const std::string manager = "0::/user.slice/user-7.slice/user@7.service/";
  for (const std::string& path :
       {manager + "kubepods/pod{U}/{C}\n", manager + "pod{U}/{C}\n", manager + "x/crio-{C}.scope\n"}) {
    INFO(path);
    CHECK(locate_container(fill(path), LocatePods::kYes)->below_user_manager);
  }
  CHECK(locate_container_legacy(fill(manager + "kubepods/pod{U}/{C}\n"))->below_user_manager);
  CHECK(locate_container(fill(manager + "{C}\n"), LocatePods::kYes)->below_user_manager);
  for (const std::string& path :
       {std::string("/kubepods/pod{U}/{C}"), std::string("/user.slice/user-7.slice/pod{U}/{C}"),
        std::string("/user@.service/pod{U}/{C}"), std::string("/user@7.services/pod{U}/{C}"),
        std::string("/kubepods/pod{U}/{C}/user@7.service/x")}) {
    INFO(path);
    CHECK_FALSE(locate_container(fill("0::" + path + "\n"), LocatePods::kYes)->below_user_manager);
    CHECK_FALSE(locate_container_legacy(fill("0::" + path + "\n"))->below_user_manager);
  }
}

TEST_CASE("The legacy locator's outermost pod cannot be got round unnoticed") {
  // Two punctuation characters in a row keep the real pod's name from matching, so the invented one does.
  auto found = locate_container_legacy(fill("0::/kubepods/pod{U}/{C}/--pod" + kForgedPod + "/{D}\n"));
  REQUIRE(found);
  CHECK(found->pod_uid == kForgedPod);
  CHECK(found->outer_pod_uids == std::vector{U});
  found = locate_container_legacy(fill("0::/kubepods/pod{U}/{C}/--/crio-{D}\n"));
  REQUIRE(found);
  CHECK(found->pod_uid.empty());
  CHECK(found->outer_pod_uids == std::vector{U});
  CHECK(found->outer_container_ids == std::vector{C});
}

TEST_CASE("The legacy locator's corners") {
  CHECK(legacy("0::/something/pod{U}/{C}\n") == is(U, C));
  CHECK(legacy("0::/pod{U}/{C}\n") == is(U, C));
  CHECK(legacy("0::pod{U}/{C}\n") == "none");  // nothing before "pod"
  CHECK(legacy("0::/{C}\n") == "none");
  CHECK(legacy("0::/kubepods/{C}\n") == "none");
  CHECK(legacy("0::/pod{U}/x{C}\n") == "none");
  CHECK(legacy("0::/pod{U}/{C}.scope.scope\n") == "none");
  CHECK(legacy("0::/pod" + kStaticPod + "/crio-{C}.scope\n") == "none");  // both rules match
  CHECK(legacy("0::/pod{U}/crio-{C}.scope\n") == is(U, C));
  CHECK(legacy("0::/pod{U}.slice/crio-{C}.scope\n") == is(U, C));
  CHECK(legacy("0::crio-{C}\n") == is("", C));
  CHECK(legacy("0::rio-{C}\n") == "none");
  CHECK(legacy("0::/crio{C}\n") == "none");
  CHECK(legacy("0::/pod11111111+2222-3333.4444:555555555555/{C}\n") == is("11111111+2222-3333-4444-555555555555", C));
}
