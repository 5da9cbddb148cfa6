#include "runtime/os/descriptor_table.h"

#include <sys/resource.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <string>

using namespace steeple::runtime;

namespace {

unsigned long table_size() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("FDSize:")) return std::stoul(line.substr(7));
  }
  return 0;
}

auto open_descriptors() { return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}); }

}  // namespace

TEST_CASE("Room for descriptors is made in advance, within the limit, and none stays open") {
  raise_descriptor_limit();
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(limit.rlim_cur == limit.rlim_max);
  const auto open = open_descriptors();
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_cur, 4 * table_size());
  reserve_descriptors(static_cast<unsigned>(wanted));
  CHECK(table_size() >= wanted);
  reserve_descriptors(1);
  rlimit small = limit;
  small.rlim_cur = 64;
  const auto before = table_size();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &small) == 0);
  reserve_descriptors(static_cast<unsigned>(8 * before));
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(table_size() == before);
  CHECK(open_descriptors() == open);
}

TEST_CASE("The last descriptors are kept back") {
  const rlim_t limit = std::min<rlim_t>(descriptor_limit(), 1u << 30);
  if (limit != descriptor_limit()) return;
  const rlim_t first = limit - std::min(kDescriptorsKeptBack, limit / 4);
  CHECK_FALSE(is_kept_back(0));
  CHECK_FALSE(is_kept_back(static_cast<int>(first) - 1));
  CHECK(is_kept_back(static_cast<int>(first)));
  CHECK(descriptors_are_left());
}
