// The recorded processes of a real node: from their cgroups and the kubelet's recorded list to the selectors that the
// real agent logged for each.
#include <simdjson.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "attestation/workload/k8s/pod_index.h"

using namespace steeple::attestation;
namespace dom = simdjson::dom;

namespace {

std::string data_file(const std::string& name) {
  std::ifstream file(std::string(STEEPLE_TEST_DATA) + "/k8s/" + name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::shared_ptr<const PodIndex> recorded_index() {
  PodListReader reader;
  REQUIRE(reader.feed(data_file("pods-all.json")));
  CHECK(reader.broken() == 0);
  CHECK(reader.without_uid() == 0);
  auto index = reader.finish();
  REQUIRE(index);
  return *index;
}

std::string text_at(const dom::element& element, const char* key) {
  std::string_view text;
  return element[key].get(text) ? std::string() : std::string(text);
}

}  // namespace

TEST_CASE("Selectors of every recorded process are the real agent's") {
  const auto index = recorded_index();
  dom::parser parser;
  std::istringstream lines(data_file("processes.jsonl"));
  std::size_t compared = 0, refused = 0;
  for (std::string line; std::getline(lines, line);) {
    dom::element process;
    REQUIRE_FALSE(parser.parse(line).get(process));
    const std::string id = text_at(process, "id");
    INFO(id);
    auto query = locate_container(text_at(process, "cgroup"), LocatePods::kYes);
    REQUIRE(query);
    CHECK(query->container_id == text_at(process, "container_id"));
    if (query->container_id.empty()) continue;
    auto found = index->find(*query, true);
    REQUIRE(found);
    dom::array wanted;
    if (process["selectors"].get(wanted)) {
      CHECK_FALSE(found->has_value());
      ++refused;
      continue;
    }
    std::vector<Selector> selectors;
    for (std::string_view text : wanted) {
      REQUIRE(text.starts_with("k8s:"));
      selectors.emplace_back("k8s", std::string(text.substr(4)));
    }
    REQUIRE(found->has_value());
    CHECK((*found)->selectors == Selectors(std::move(selectors)));
    ++compared;
  }
  CHECK(compared >= 14);
  CHECK(refused >= 4);
}

TEST_CASE("Seen from a private cgroup namespace, containers of other pods are the same") {
  const auto index = recorded_index();
  dom::parser parser;
  std::istringstream lines(data_file("processes.jsonl"));
  std::size_t compared = 0;
  for (std::string line; std::getline(lines, line);) {
    dom::element process, seen;
    REQUIRE_FALSE(parser.parse(line).get(process));
    if (process["seen_from_private_cgroup_namespace_of_the_agent_container"].get(seen)) continue;
    INFO(text_at(process, "id"));
    const std::string cgroup = text_at(seen, "cgroup");
    if (cgroup.empty()) continue;
    auto query = locate_container(cgroup, LocatePods::kYes);
    REQUIRE(query);
    if (query->container_id.empty()) continue;
    CHECK(query->container_id == text_at(process, "container_id"));
    ++compared;
  }
  CHECK(compared >= 4);
}

TEST_CASE("A container counts from its first listed id to the next one, at each recorded change") {
  dom::parser parser;
  std::istringstream lines(data_file("pods-changes.jsonl"));
  std::size_t with_id = 0, without_id = 0;
  for (std::string line; std::getline(lines, line);) {
    dom::element change;
    REQUIRE_FALSE(parser.parse(line).get(change));
    const std::string uid = text_at(change, "uid");
    PodListReader reader;
    dom::element status;
    REQUIRE_FALSE(change["status"].get(status));
    std::stringstream list;
    list << R"({"items":[{"metadata":{"uid":")" << uid << R"("},"status":)" << simdjson::minify(status) << "}]}";
    REQUIRE(reader.feed(list.str()));
    auto index = reader.finish();
    REQUIRE(index);
    std::string_view id;
    dom::array statuses;
    const bool listed = !status["containerStatuses"].get(statuses) && !statuses.at(0)["containerID"].get(id);
    (listed ? with_id : without_id) += 1;
    CHECK((*index)->containers() == (listed ? 1 : 0));
    if (!listed) continue;
    const auto container = container_id_of(id);
    REQUIRE(container);
    CHECK(*(*index)->find({uid, std::string(*container)}, true));
  }
  CHECK(with_id > 0);
  CHECK(without_id > 0);
}
