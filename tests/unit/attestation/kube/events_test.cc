// Lists, events and streams of events.
#include <catch2/catch.hpp>

#include "attestation/kube/api.h"
#include "attestation/kube/event_stream.h"

using namespace steeple::attestation;
using steeple::runtime::ErrorCode;

namespace {

constexpr char kAdded[] =
    R"({"type":"ADDED","object":{"metadata":{"name":"a}\"{","resourceVersion":"7","labels":{"team":"web"}}}})";
constexpr char kRest[] = R"x(
{"type":"MODIFIED","object":{"metadata":{"name":"b","resourceVersion":"8"}}}
{"type":"DELETED","object":{"metadata":{"name":"c","resourceVersion":"9"}}} {"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"10"}}}
{"type":"ERROR","object":{"kind":"Status","code":410,"message":"too old resource version: 1 (9)"}}
)x";

std::vector<KubeEvent> read(const std::string& text, std::size_t step) {
  std::vector<KubeEvent> events;
  KubeEventStream stream([&](KubeEvent event) { events.push_back(std::move(event)); });
  for (std::size_t at = 0; at < text.size(); at += step) REQUIRE(stream.feed(std::string_view(text).substr(at, step)));
  return events;
}

ErrorCode refusal(const std::string& text) {
  KubeEventStream stream([](const KubeEvent&) {});
  auto fed = stream.feed(text);
  REQUIRE_FALSE(fed);
  return fed.error().code();
}

}  // namespace

TEST_CASE("A watch is cut into its events whatever the pieces") {
  const std::string text = std::string(kAdded) + kRest;
  for (std::size_t step : {1, 2, 7, 64, 4096}) {
    const std::vector<KubeEvent> events = read(text, step);
    REQUIRE(events.size() == 5);
    CHECK(events[0].kind == KubeEvent::Kind::kAdded);
    CHECK(events[0].object.name == "a}\"{");
    CHECK(events[0].object.resource_version == "7");
    CHECK(events[0].object.labels == KubeLabels{{"team", "web"}});
    CHECK(events[1].kind == KubeEvent::Kind::kModified);
    CHECK(events[2].kind == KubeEvent::Kind::kDeleted);
    CHECK(events[3].kind == KubeEvent::Kind::kBookmark);
    CHECK(events[3].object.resource_version == "10");
    CHECK(events[4].kind == KubeEvent::Kind::kError);
    CHECK(events[4].code == 410);
    CHECK(events[4].message == "too old resource version: 1 (9)");
  }
}

TEST_CASE("What is no event ends the watch") {
  for (const std::string bad : {"[]", "x", "{}", "{]}", R"({"type":"ADDED"})", R"({"type":"ADDED","object":{}})",
                                R"({"type":"RENAMED","object":{"metadata":{"name":"a"}}})"}) {
    INFO(bad);
    CHECK(refusal(bad) == ErrorCode::kMalformed);
  }
  CHECK(refusal("{" + std::string(kKubeEventBytesMax, ' ')) == ErrorCode::kLimit);
}

TEST_CASE("Lists of metadata: pages, no items, damage") {
  auto page = parse_meta_list(
      R"({"metadata":{"resourceVersion":"5","continue":"more"},"items":[{"metadata":{"name":"x","labels":{"a":"1"}}}]})");
  REQUIRE(page);
  CHECK(page->resource_version == "5");
  CHECK(page->next == "more");
  REQUIRE(page->items.size() == 1);
  CHECK(page->items[0].labels == KubeLabels{{"a", "1"}});
  CHECK(parse_meta_list(R"({"items":null})").value().items.empty());
  for (const std::string bad : {"", "[]", R"({"items":{}})", R"({"items":[1]})", R"({"items":[{}]})"}) {
    CHECK(parse_meta_list(bad).error().code() == ErrorCode::kMalformed);
  }
}

TEST_CASE("Names in paths") {
  CHECK(path_segment("node-1.example") == "node-1.example");
  CHECK(path_segment("../nodes?x#y z") == "..%2Fnodes%3Fx%23y%20z");
  CHECK(path_segment("..") == "%2E%2E");
}
