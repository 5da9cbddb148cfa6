#include "runtime/os/heap_count.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define STEEPLE_FOREIGN_HEAP
#endif
#endif

namespace steeple::runtime {

#ifdef STEEPLE_FOREIGN_HEAP

std::optional<HeapCounts> heap_counts() { return std::nullopt; }

#else

namespace {

// Each thread has a place of its own, so that counting is two plain instructions; those after the last share it.
struct alignas(64) Place {
  std::atomic<std::uint64_t> made{0};
  std::atomic<std::uint64_t> freed{0};
};
constexpr std::size_t kPlaces = 64;
constinit std::array<Place, kPlaces> places{};
constinit std::atomic<std::size_t> taken{0};
constinit thread_local Place* mine = nullptr;

Place& take_place() {
  mine = &places[std::min(taken.fetch_add(1, std::memory_order_relaxed), kPlaces - 1)];
  return *mine;
}

void count(std::atomic<std::uint64_t> Place::* which) {
  Place& place = mine != nullptr ? *mine : take_place();
  std::atomic<std::uint64_t>& number = place.*which;
  if (&place == &places.back()) {
    number.fetch_add(1, std::memory_order_relaxed);
  } else {
    number.store(number.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
}

}  // namespace

std::optional<HeapCounts> heap_counts() {
  HeapCounts counts;
  // Freed first: an object that is freed meanwhile was made before.
  for (const Place& place : places) counts.freed += place.freed.load(std::memory_order_relaxed);
  for (const Place& place : places) counts.made += place.made.load(std::memory_order_relaxed);
  return counts;
}

namespace {

void* make(std::size_t size, std::size_t alignment) {
  void* made = alignment == 0 ? std::malloc(size != 0 ? size : 1)
                              : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (made == nullptr) std::abort();  // nothing of ours goes on without memory
  count(&Place::made);
  return made;
}

void give_back(void* object) {
  if (object == nullptr) return;
  count(&Place::freed);
  std::free(object);
}

}  // namespace

#endif

}  // namespace steeple::runtime

#ifndef STEEPLE_FOREIGN_HEAP

using steeple::runtime::give_back;
using steeple::runtime::make;

// The forms for arrays, those that do not throw and those with a size call these.
void* operator new(std::size_t size) { return make(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return make(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* object) noexcept { give_back(object); }
void operator delete(void* object, std::size_t) noexcept { give_back(object); }
void operator delete(void* object, std::align_val_t) noexcept { give_back(object); }
void operator delete(void* object, std::size_t, std::align_val_t) noexcept { give_back(object); }

#endif
