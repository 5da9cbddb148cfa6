#include "runtime/os/heap_count.h"

#include <catch2/catch.hpp>
#include <memory>
#include <new>
#include <thread>

using namespace steeple::runtime;

TEST_CASE("Objects are counted when they are made and when they are given back, on every thread") {
  const auto before = heap_counts();
  if (!before) return;  // a sanitizer's heap
  std::vector<std::unique_ptr<int>> held;
  held.reserve(1000);
  void* wide = ::operator new(128, std::align_val_t(128));
  CHECK(reinterpret_cast<std::uintptr_t>(wide) % 128 == 0);
  std::thread maker([&] {
    for (int i = 0; i < 1000; ++i) held.push_back(std::make_unique<int>(i));
  });
  maker.join();
  const HeapCounts during = *heap_counts();
  CHECK(during.live() >= before->live() + 1001);
  CHECK(during.live() < before->live() + 1100);
  held.clear();
  ::operator delete(wide, std::align_val_t(128));
  const HeapCounts after = *heap_counts();
  CHECK(after.freed >= during.freed + 1001);
  CHECK(after.live() < before->live() + 100);
}
