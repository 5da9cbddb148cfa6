// The splitter, the pod parser and the index, fed as a kubelet's answer arrives.
#include "attestation/workload/k8s/pod_index.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

using namespace steeple::attestation;
using steeple::runtime::ErrorCode;
using steeple::runtime::Result;

namespace {

std::string data_file(const std::string& name) {
  std::ifstream file(std::string(STEEPLE_TEST_DATA) + "/k8s/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

using Pods = std::vector<std::string>;
Result<Pods> split(std::string_view text, std::size_t piece_size) {
  Pods pods;
  PodListSplitter splitter([&](std::string_view pod) { pods.emplace_back(pod); });
  while (!text.empty()) {
    STEEPLE_CHECK(splitter.feed(text.substr(0, piece_size)));
    text.remove_prefix(std::min(piece_size, text.size()));
  }
  STEEPLE_CHECK(splitter.finish());
  return pods;
}

Result<std::shared_ptr<const PodIndex>> read(std::string_view text) {
  PodListReader reader;
  STEEPLE_CHECK(reader.feed(text));
  return reader.finish();
}

std::string pod(const std::string& uid, const std::string& id, const std::string& rest = "") {
  return R"({"metadata":{"name":"p","namespace":"n","uid":")" + uid +
         R"("},"status":{"containerStatuses":[{"name":"c",)" +
         R"("image":"i","imageID":"d","containerID":"containerd://)" + id + R"("}])" + rest + "}}";
}
std::string ended(const std::string& uid, const std::string& id, const std::string& phase) {
  return R"({"metadata":{"uid":")" + uid + R"("},"status":{"phase":")" + phase +
         R"(","containerStatuses":[{"state":{"terminated":{"exitCode":0}},"containerID":"containerd://)" + id +
         R"("}]}})";
}
std::string list(const std::string& pods) { return R"({"kind":"PodList","items":[)" + pods + "]}"; }

std::string error_of(std::string_view text) {
  auto index = read(text);
  REQUIRE_FALSE(index);
  CHECK(index.error().code() == ErrorCode::kMalformed);
  return index.error().message();
}

bool has(const std::shared_ptr<const PodIndex>& index, const std::string& uid, const std::string& id) {
  auto found = index->find({uid, id}, true);
  REQUIRE(found);
  return found->has_value();
}

}  // namespace

TEST_CASE("A list is cut into its pods whatever the pieces") {
  const std::string tricky[] = {R"({"a":"}]\"\\","b":[{}, [1,2]],"c":"\\\\\"{"})", R"({})",
                                R"({"x":")" + std::string(60, '\\') + R"(\"}"})", R"({"deep":[[[[{"y":"[{"}]]]]})",
                                R"({"long":")" + std::string(200, '{') + R"("})"};
  Pods wanted(std::begin(tricky), std::end(tricky));
  std::string text = "\n{ \"metadata\": {\"items\":[{\"no\":1}]}, \"it\\\"ems\" : 3 , \"items\" :\t[ ";
  for (const std::string& one : tricky) text += one + " ,\n";
  text.erase(text.rfind(','));
  text += " ] , \"after\": [{\"items\":null}] }\n";
  for (std::size_t size : {1, 2, 3, 7, 63, 64, 65, 100, 4096}) {
    INFO(size);
    auto pods = split(text, size);
    REQUIRE(pods);
    CHECK(*pods == wanted);
  }
}

TEST_CASE("The kubelet's own list survives every cut") {
  const std::string text = data_file("pods-all.json");
  auto whole = split(text, text.size());
  REQUIRE(whole);
  CHECK(whole->size() > 15);
  for (std::size_t size : {13, 64, 1000, 16384}) {
    auto pods = split(text, size);
    REQUIRE(pods);
    CHECK(*pods == *whole);
  }
}

TEST_CASE("What is no list of pods is refused with SPIRE's texts") {
  CHECK(error_of("[]") == "invalid kubelet response: expected an object");
  CHECK(error_of("null") == "invalid kubelet response: expected an object");
  CHECK(error_of("{}") == "invalid kubelet response: expected an items array");
  CHECK(error_of(R"({"items":{}})") == "invalid kubelet response: expected an items array");
  CHECK(error_of(R"({"items":"x"})") == "invalid kubelet response: expected an items array");
  CHECK(error_of(" \n") ==
        "unable to parse kubelet response: cannot parse JSON: cannot parse empty string; unparsed tail: \"\"");
  CHECK(error_of(list(pod("u", "c")).substr(0, 60)) ==
        "unable to parse kubelet response: unexpected end of JSON input");
  CHECK(error_of("<html>") ==
        "unable to parse kubelet response: cannot parse JSON: cannot parse number: unexpected char: \"<\"; unparsed "
        "tail: \"<html>\"");
  CHECK(error_of(list("") + "\nx{}") == "unable to parse kubelet response: unexpected tail: \"x{}\"");
  CHECK(error_of(list("") + std::string(100, 'y')) == "unable to parse kubelet response: unexpected tail: \"" +
                                                          std::string(40, 'y') + "..." + std::string(40, 'y') + "\"");
  for (const std::string& text : {list(pod("a", "1") + pod("b", "2")), list("," + pod("a", "1")), list("nope"),
                                  list(pod("a", "1") + ","), list("1 2"), std::string(R"({"items":[],"x":nope})"),
                                  std::string(R"({"x":{],"items":[]})"), std::string(R"({"items" []})")})
    CHECK(error_of(text).starts_with("unable to parse kubelet response: cannot parse JSON: "));
}

TEST_CASE("The first list of items counts, and what is in it without being a pod is passed over") {
  auto index = read(R"({"items":[5,"a{]\"",null,[{}],true,{},)" + pod("a", "1") + R"(,-1.5e3],"items":[{}],"x":"}"})");
  REQUIRE(index);
  CHECK((*index)->pods() == 1);
  CHECK(has(*index, "a", "1"));
  CHECK(read(R"({"items":[],"items":5})"));
}

TEST_CASE("A list without items is empty") {
  for (const char* text : {R"({"items":null})", R"({"items":[]})", R"({"a":1,"items": [ ] })"}) {
    auto index = read(text);
    REQUIRE(index);
    CHECK((*index)->pods() == 0);
  }
}

TEST_CASE("A broken pod harms only itself") {
  auto index = read(list(pod("a", "1") + "," + R"({"metadata":{"uid":"b","labels":7},"status":null})" + "," +
                         R"({"metadata":{"uid":"e"},"status":{"phase":tru}})" + "," + pod("c", "2") + "," +
                         R"({"metadata":{"name":"no uid"}})"));
  REQUIRE(index);
  CHECK((*index)->pods() == 4);
  CHECK(has(*index, "", "1"));
  CHECK(has(*index, "c", "2"));
  auto broken = (*index)->find({"b", "9"}, true);
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code() == ErrorCode::kUnavailable);
  CHECK(broken.error().message() ==
        "unable to decode pod info from kubelet response: json: cannot unmarshal number into Go struct field "
        "ObjectMeta.metadata.labels of type map[string]string");
}

TEST_CASE("A value of the wrong type is named as Go names it, wherever the UID stands") {
  const auto mistake_of = [](const std::string& metadata, const std::string& rest) {
    auto index = read(list(R"({"metadata":{)" + metadata + R"("uid":"u"})" + rest + "}"));
    REQUIRE(index);
    auto broken = (*index)->find({"u", "1"}, true);
    REQUIRE_FALSE(broken);
    const std::string text = broken.error().message();
    return text.substr(text.find("cannot unmarshal "));
  };
  const std::string into = " into Go struct field ";
  CHECK(mistake_of(R"("name":[5],)", "") ==
        "cannot unmarshal array" + into + "ObjectMeta.metadata.name of type string");
  CHECK(mistake_of("", R"(,"spec":true)") == "cannot unmarshal bool" + into + "Pod.spec of type v1.PodSpec");
  CHECK(mistake_of("", R"(,"status":{"initContainerStatuses":[{"name":{}}]})") ==
        "cannot unmarshal object" + into + "ContainerStatus.status.initContainerStatuses.name of type string");
  CHECK(mistake_of("", R"(,"status":{"containerStatuses":["x"]})") ==
        "cannot unmarshal string" + into + "PodStatus.status.containerStatuses of type v1.ContainerStatus");
  CHECK(mistake_of(R"("ownerReferences":[{"kind":1}],"labels":{"a":2},)", "") ==
        "cannot unmarshal number" + into + "OwnerReference.metadata.ownerReferences.kind of type string");
}

TEST_CASE("Of keys that come twice the last one counts") {
  auto index = read(list(R"({"metadata":{"uid":"u","labels":{"a":"1","a":"2"}},"status":{"containerStatuses":[{}],)"
                         R"("containerStatuses":[{"name":"c","containerID":"x://1"}]}})"));
  REQUIRE(index);
  auto found = (*index)->find({"u", "1"}, true);
  REQUIRE(found);
  REQUIRE(*found);
  CHECK((*found)->selectors.contains({"k8s", "pod-label:a:2"}));
  CHECK_FALSE((*found)->selectors.contains({"k8s", "pod-label:a:1"}));
  CHECK((*found)->selectors.contains({"k8s", "pod-image-count:1"}));
}

TEST_CASE("A pod above the limit is left out and the rest stays") {
  PodListReader reader;
  REQUIRE(reader.feed(R"({"items":[{"metadata":{"uid":"big","name":")"));
  const std::string filler(1 << 20, 'x');
  for (std::size_t i = 0; i <= kPodBytesMax >> 20; ++i) REQUIRE(reader.feed(filler));
  REQUIRE(reader.feed("\"}}," + pod("a", "1") + "]}"));
  CHECK(reader.oversized() == 1);
  auto index = reader.finish();
  REQUIRE(index);
  CHECK((*index)->pods() == 1);
  CHECK(has(*index, "", "1"));
}

TEST_CASE("Lookups: pod known or not, wrong pod, two pods, later pod of the same UID, terminal pods") {
  auto index = read(list(pod("a", "1") + "," + pod("b", "1") + "," + pod("c", "2") + "," + pod("c", "3") + "," +
                         pod("d", "4", R"(,"phase":"Succeeded")") + "," + ended("e", "5", "Failed") + "," +
                         ended("f", "6", "Running")));
  REQUIRE(index);
  CHECK(has(*index, "a", "1"));
  CHECK(has(*index, "b", "1"));
  CHECK_FALSE(has(*index, "c", "1"));
  CHECK_FALSE(has(*index, "", "2"));
  CHECK(has(*index, "", "3"));
  CHECK(has(*index, "", "4"));  // nobody says that its container has ended
  CHECK(has(*index, "", "6"));
  CHECK_FALSE(has(*index, "e", "5"));
  auto two = (*index)->find({"", "1"}, true);
  REQUIRE_FALSE(two);
  CHECK(two.error().code() == ErrorCode::kInternal);
  CHECK(two.error().message() == "two pods found with same container Id");
}

TEST_CASE("Without container selectors a known pod answers for any of its containers") {
  auto index = read(list(pod("a", "1")));
  REQUIRE(index);
  auto of_pod = (*index)->find({"a", "ephemeral"}, false);
  REQUIRE(of_pod);
  REQUIRE(*of_pod);
  CHECK((*of_pod)->selectors.contains({"k8s", "pod-uid:a"}));
  CHECK_FALSE((*of_pod)->selectors.contains({"k8s", "container-name:c"}));
  CHECK_FALSE((*(*index)->find({"", "ephemeral"}, false)).has_value());
  CHECK_FALSE((*(*index)->find({"a", "ephemeral"}, true)).has_value());
}

TEST_CASE("Cgroup names made inside a pod of this node are refused") {
  auto index = read(list(pod("outer", "1") + "," + pod("victim", "2")));
  REQUIRE(index);
  auto forged = (*index)->find({"victim", "2", {"outer"}}, true);
  REQUIRE_FALSE(forged);
  CHECK(forged.error().code() == ErrorCode::kFailedPrecondition);
  CHECK(*(*index)->find({"victim", "2", {"of another node"}}, true));
}

TEST_CASE("Cgroup names made inside a container of this node are refused") {
  auto index = read(list(pod("outer", "1") + "," + pod("victim", "2")));
  REQUIRE(index);
  const auto code_of = [&](const ContainerIds& query) { return (*index)->find(query, true).error().code(); };
  CHECK(code_of({"victim", "2", {}, {"1"}}) == ErrorCode::kFailedPrecondition);
  CHECK(code_of({"", "2", {}, {"1"}}) == ErrorCode::kFailedPrecondition);
  CHECK(*(*index)->find({"victim", "2", {}, {"of another node"}}, true));
  // A container of its own that the kubelet does not know: not found, as ever.
  CHECK_FALSE((*(*index)->find({"outer", "9", {}, {"1"}}, true)).has_value());
}

TEST_CASE("A static pod's containers are its own") {
  auto index = read(list(pod("static", "1") + "," + pod("victim", "2")));
  REQUIRE(index);
  CHECK(*(*index)->find({"", "1", {"static"}}, true));
  auto forged = (*index)->find({"", "2", {"static"}}, true);
  REQUIRE_FALSE(forged);
  CHECK(forged.error().code() == ErrorCode::kFailedPrecondition);
  CHECK(forged.error().message() == "multiple pod UIDs found (\"static\", \"victim\")");
}

TEST_CASE("The host part of a container's id") {
  CHECK(container_id_of("containerd://abc") == "abc");
  CHECK(container_id_of("cri-o://abc/x?y#z") == "abc");
  CHECK(container_id_of("//abc") == "abc");
  for (const char* nameless : {"abc", "docker://", "containerd:///x", "x y", "a:b", ""}) {
    CHECK(container_id_of(nameless) == std::string_view());
  }
  for (const char* no_url : {":", "://", "a b://c", "1a://c", "%", "x://%zz", "x://a\nb"}) {
    CHECK_FALSE(container_id_of(no_url));
  }
}

TEST_CASE("Pods that have not changed are not read again, and one that has is") {
  PodListReader reader;
  const auto answer = [&](const std::string& pods) {
    reader.begin();
    REQUIRE(reader.feed(list(pods)));
    auto index = reader.finish();
    REQUIRE(index);
    return *index;
  };
  answer(pod("a", "1") + "," + pod("b", "2"));
  CHECK(reader.parsed() == 2);
  auto index = answer(pod("b", "2") + "," + pod("a", "1"));
  CHECK(reader.parsed() == 0);
  CHECK(has(index, "a", "1"));
  CHECK(has(index, "b", "2"));
  index = answer(pod("a", "9") + "," + pod("b", "2"));
  CHECK(reader.parsed() == 1);
  CHECK(has(index, "a", "9"));
  CHECK_FALSE(has(index, "a", "1"));
  reader.begin();
  REQUIRE(reader.feed(list(pod("c", "3")).substr(0, 40)));
  REQUIRE_FALSE(reader.finish());
  answer(pod("a", "9") + "," + pod("b", "2"));
  CHECK(reader.parsed() == 0);  // a broken answer forgets nothing
}
