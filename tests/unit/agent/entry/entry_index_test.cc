#include "agent/entry/entry_index.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "tests/fakes/entries.h"

using namespace steeple;
using namespace steeple::agent;
using tests::make_entry;
using tests::selectors_of;
using tests::shared;

namespace {

std::vector<std::string> ids(const std::vector<SharedEntry>& entries) {
  std::vector<std::string> result;
  for (const auto& entry : entries) result.push_back(entry->id);
  return result;
}

}  // namespace

TEST_CASE("EntryIndex matches entries whose selectors are all present, in order of id") {
  EntryIndex index;
  index.add(shared(make_entry("z", "/z", {"unix:uid:1"})));
  index.add(shared(make_entry("b", "/b", {"unix:uid:1", "unix:gid:1"})));
  index.add(shared(make_entry("a", "/a", {"unix:uid:2"})));
  CHECK(ids(index.match(selectors_of({"unix:uid:1", "unix:gid:1", "unix:user:x"}))) ==
        std::vector<std::string>{"b", "z"});
  CHECK(ids(index.match(selectors_of({"unix:uid:1"}))) == std::vector<std::string>{"z"});
  CHECK(index.match(selectors_of({"unix:gid:1"})).empty());
  CHECK(index.match(selectors_of({})).empty());
  CHECK(index.any_match(selectors_of({"unix:uid:2"})));
  CHECK_FALSE(index.any_match(selectors_of({"unix:UID:2"})));  // case counts
}

TEST_CASE("EntryIndex replaces an entry of the same id and forgets removed ones") {
  EntryIndex index;
  auto before = shared(make_entry("a", "/a", {"unix:uid:1"}));
  index.add(before);
  index.add(shared(make_entry("a", "/a", {"unix:uid:2"})));
  CHECK(index.size() == 1);
  CHECK_FALSE(index.any_match(selectors_of({"unix:uid:1"})));
  CHECK(index.any_match(selectors_of({"unix:uid:2"})));
  index.remove(*before);
  index.remove(*before);
  CHECK(index.size() == 0);
  CHECK_FALSE(index.any_match(selectors_of({"unix:uid:2"})));
}

TEST_CASE("EntryIndex removes from the middle of a crowded selector") {
  EntryIndex index;
  std::vector<SharedEntry> entries;
  for (const char* id : {"a", "b", "c", "d"}) {
    entries.push_back(shared(make_entry(id, "/x", {"t:same"})));
    index.add(entries.back());
  }
  index.remove(*entries[1]);
  index.remove(*entries[3]);
  CHECK(ids(index.match(selectors_of({"t:same"}))) == std::vector<std::string>{"a", "c"});
}

TEST_CASE("EntryIndex answers fast with 20,000 entries that share all selectors but one") {
  EntryIndex index;
  for (int i = 0; i < 20'000; ++i) {
    const std::string number = std::to_string(i);
    index.add(shared(make_entry("entry-" + number, "/w/" + number,
                                {"k8s:cluster:prod", "k8s:ns:default", "k8s:pod-name:pod-" + number})));
  }
  const auto start = std::chrono::steady_clock::now();
  std::size_t found = 0;
  for (int i = 0; i < 1'000; ++i) {
    const std::string pod = "k8s:pod-name:pod-" + std::to_string(i * 20);
    found += index.match(selectors_of({"k8s:cluster:prod", "k8s:ns:default", pod, "unix:uid:0"})).size();
  }
  CHECK(found == 1'000);
  // A walk over all entries would take more than ten times as long, even in a slow build.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
}
