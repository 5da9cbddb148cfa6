#include "runtime/http2/frame_memory.h"

#include <nghttp2/nghttp2.h>

#include <cstdlib>

namespace steeple::runtime::http2 {
namespace {

// nghttp2 1.52: a frame of 16384 bytes, its header of 9, and one byte for the length of padding.
constexpr std::size_t kFrameBufferSize = 16384 + 9 + 1;

struct ThreadState {
  ~ThreadState() { std::free(block); }
  void* block = nullptr;
  bool making_session = false;
  bool allowed = true;
  std::size_t seen_while_probing = 0;
};
thread_local ThreadState state;

void* allocate_shared(std::size_t size) {
  if (state.block == nullptr) state.block = std::malloc(size);
  return state.block;
}

void* on_malloc(std::size_t size, void* /*user*/) {
  if (size == kFrameBufferSize && state.making_session && state.allowed && FrameMemory::is_shared()) {
    return allocate_shared(size);
  }
  return std::malloc(size);
}

void on_free(void* memory, void* /*user*/) {
  if (memory != nullptr && memory == state.block) return;
  std::free(memory);
}

void* on_calloc(std::size_t count, std::size_t size, void* /*user*/) { return std::calloc(count, size); }

void* on_realloc(void* memory, std::size_t size, void* user) {
  if (memory == nullptr || memory != state.block) return std::realloc(memory, size);
  return on_malloc(size, user);  // never seen; what the block held is not needed between frames
}

void* probe_malloc(std::size_t size, void* /*user*/) {
  if (size == kFrameBufferSize) ++state.seen_while_probing;
  return std::malloc(size);
}
void probe_free(void* memory, void* /*user*/) { std::free(memory); }
void* probe_realloc(void* memory, std::size_t size, void* /*user*/) { return std::realloc(memory, size); }

// One server and one client session, each with exactly one buffer of the size.
bool probe() {
  nghttp2_mem memory{nullptr, probe_malloc, probe_free, on_calloc, probe_realloc};
  nghttp2_session_callbacks* callbacks = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) return false;
  bool good = true;
  for (bool server : {true, false}) {
    state.seen_while_probing = 0;
    nghttp2_session* session = nullptr;
    int made = server ? nghttp2_session_server_new3(&session, callbacks, nullptr, nullptr, &memory)
                      : nghttp2_session_client_new3(&session, callbacks, nullptr, nullptr, &memory);
    good = good && made == 0 && state.seen_while_probing == 1;
    if (made == 0) nghttp2_session_del(session);
  }
  nghttp2_session_callbacks_del(callbacks);
  return good;
}

}  // namespace

void* FrameMemory::allocator() {
  static nghttp2_mem memory{nullptr, on_malloc, on_free, on_calloc, on_realloc};
  return &memory;
}

bool FrameMemory::is_shared() {
  static const bool shared = probe();
  return shared;
}

void FrameMemory::set_sharing_allowed(bool allowed) { state.allowed = allowed; }

FrameMemory::MakingSession::MakingSession() { state.making_session = true; }
FrameMemory::MakingSession::~MakingSession() { state.making_session = false; }

}  // namespace steeple::runtime::http2
