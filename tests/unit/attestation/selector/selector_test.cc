#include "attestation/selector/selector.h"

#include <catch2/catch.hpp>

using steeple::attestation::Selector;
using steeple::attestation::Selectors;

TEST_CASE("Selectors are sorted by type and value, each once") {
  Selectors selectors({{"unix", "uid:2"}, {"k8s", "ns:b"}, {"unix", "uid:10"}, {"unix", "uid:2"}});
  std::string all;
  for (const Selector& selector : selectors) all += selector.text() + ' ';
  CHECK(all == "k8s:ns:b unix:uid:10 unix:uid:2 ");
  CHECK(selectors.size() == 3);
  CHECK(Selectors().empty());
}

TEST_CASE("Selectors find members and subsets") {
  Selectors caller({{"unix", "gid:1"}, {"unix", "uid:1"}, {"unix", "user:a"}});
  CHECK(caller.contains({"unix", "uid:1"}));
  CHECK_FALSE(caller.contains({"unix", "uid:2"}));
  CHECK_FALSE(caller.contains({"k8s", "uid:1"}));
  CHECK(Selectors({{"unix", "uid:1"}}).is_subset_of(caller));
  CHECK(Selectors({{"unix", "user:a"}, {"unix", "gid:1"}}).is_subset_of(caller));
  CHECK_FALSE(Selectors({{"unix", "uid:1"}, {"unix", "uid:2"}}).is_subset_of(caller));
  CHECK(Selectors().is_subset_of(caller));
  CHECK_FALSE(caller.is_subset_of(Selectors()));
  CHECK(caller.is_subset_of(caller));
}

TEST_CASE("Selectors merge without duplicates, whatever the order") {
  Selectors a({{"unix", "uid:1"}, {"k8s", "ns:x"}});
  Selectors b({{"docker", "id:1"}, {"unix", "uid:1"}});
  Selectors ab = a;
  ab.merge(b);
  Selectors ba = b;
  ba.merge(a);
  CHECK(ab == ba);
  CHECK(ab == Selectors({{"docker", "id:1"}, {"k8s", "ns:x"}, {"unix", "uid:1"}}));
  a.merge(Selectors());
  CHECK(a.size() == 2);
}
