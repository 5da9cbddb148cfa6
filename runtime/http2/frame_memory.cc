#include "runtime/http2/frame_memory.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "runtime/core/bytes.h"

namespace steeple::runtime::http2 {
namespace {

// nghttp2 1.52: a frame of 16384 bytes, its header of 9, and one byte for the length of padding.
constexpr std::size_t kFrameBufferSize = 16384 + 9 + 1;
// 128 pointers to the entries of a table of 4096 bytes. A server session asks for two: the encoder's, then the
// decoder's.
constexpr std::size_t kTableSize = 128 * sizeof(void*);
constexpr std::uint8_t kPoison = 0xA5;

struct ThreadState {
  ~ThreadState() {
    std::free(frame_buffer);
    std::free(encoder_table);
  }
  void* frame_buffer = nullptr;
  void* encoder_table = nullptr;
  bool making_session = false;
  bool encoder_table_wanted = false;
  bool allowed = true;
};
thread_local ThreadState state;

void* shared_block(void*& block, std::size_t size) {
  if (block == nullptr) block = std::malloc(size);
  return block;
}

void* on_malloc(std::size_t size, void* /*user*/) {
  if (state.making_session && size == kFrameBufferSize) {
    return shared_block(state.frame_buffer, size);
  }
  if (state.encoder_table_wanted && size == kTableSize) {
    state.encoder_table_wanted = false;
    return shared_block(state.encoder_table, size);
  }
  return std::malloc(size);
}

void on_free(void* memory, void* /*user*/) {
  if (memory != nullptr && (memory == state.frame_buffer || memory == state.encoder_table)) return;
  std::free(memory);
}

void* on_calloc(std::size_t count, std::size_t size, void* /*user*/) { return std::calloc(count, size); }

// nghttp2 asks for its buffers with realloc(nullptr, size).
void* on_realloc(void* memory, std::size_t size, void* user) {
  if (memory == nullptr) return on_malloc(size, user);
  if (memory != state.frame_buffer && memory != state.encoder_table) return std::realloc(memory, size);
  std::size_t held = memory == state.frame_buffer ? kFrameBufferSize : kTableSize;
  void* own = std::malloc(size);
  if (own != nullptr) std::memcpy(own, memory, std::min(size, held));
  return own;
}

// What a probe session asks for while it is made; tables are filled with a pattern.
struct Probe {
  std::size_t frame_buffers = 0;
  std::vector<std::uint8_t*> tables;
  nghttp2_mem memory() {
    return {this, &Probe::allocate, &Probe::release, &Probe::allocate_zeroed, &Probe::reallocate};
  }

  static void* allocate(std::size_t size, void* user) {
    auto& probe = *static_cast<Probe*>(user);
    auto* block = static_cast<std::uint8_t*>(std::malloc(size));
    if (size == kFrameBufferSize) ++probe.frame_buffers;
    if (size == kTableSize && block != nullptr) {
      std::memset(block, kPoison, size);
      probe.tables.push_back(block);
    }
    return block;
  }
  static void release(void* block, void* /*user*/) { std::free(block); }
  static void* allocate_zeroed(std::size_t count, std::size_t size, void* /*user*/) { return std::calloc(count, size); }
  static void* reallocate(void* block, std::size_t size, void* user) {
    return block == nullptr ? allocate(size, user) : std::realloc(block, size);
  }
};

struct ProbeSessions {
  ProbeSessions() {
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) return;
    nghttp2_option_set_max_deflate_dynamic_table_size(option, 0);
    nghttp2_mem server_memory = server_probe.memory();
    nghttp2_mem client_memory = client_probe.memory();
    good = nghttp2_session_server_new3(&server, callbacks, nullptr, option, &server_memory) == 0 &&
           nghttp2_session_client_new3(&client, callbacks, nullptr, nullptr, &client_memory) == 0;
  }
  ~ProbeSessions() {
    nghttp2_session_del(server);
    nghttp2_session_del(client);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
  }
  ProbeSessions(const ProbeSessions&) = delete;
  ProbeSessions& operator=(const ProbeSessions&) = delete;

  static bool carry(nghttp2_session* from, nghttp2_session* to) {
    const std::uint8_t* data = nullptr;
    for (;;) {
      ssize_t size = nghttp2_session_mem_send(from, &data);
      if (size == 0) return true;
      if (size < 0 || nghttp2_session_mem_recv(to, data, static_cast<std::size_t>(size)) != size) return false;
    }
  }

  Probe server_probe;
  Probe client_probe;
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  nghttp2_session* server = nullptr;
  nghttp2_session* client = nullptr;
  bool good = false;
};

nghttp2_nv name_value(std::string_view name, std::string_view value) {
  auto at = [](std::string_view text) { return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data())); };
  return {at(name), at(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

bool probe_frame_buffer() {
  ProbeSessions sessions;
  return sessions.good && sessions.server_probe.frame_buffers == 1 && sessions.client_probe.frame_buffers == 1;
}

// Headers that both tables would take in, there and back: the server's first table must stay as it was made.
bool probe_encoder_table() {
  ProbeSessions sessions;
  if (!sessions.good || sessions.server_probe.tables.size() != 2) return false;
  nghttp2_submit_settings(sessions.client, NGHTTP2_FLAG_NONE, nullptr, 0);
  nghttp2_submit_settings(sessions.server, NGHTTP2_FLAG_NONE, nullptr, 0);
  nghttp2_nv request[] = {name_value(":method", "GET"), name_value(":scheme", "http"), name_value(":path", "/probe"),
                          name_value(":authority", "probe"), name_value("x-probe", "request")};
  nghttp2_submit_request(sessions.client, nullptr, request, std::size(request), nullptr, nullptr);
  if (!ProbeSessions::carry(sessions.client, sessions.server)) return false;
  nghttp2_nv answer[] = {name_value(":status", "200"), name_value("x-probe", "answer")};
  nghttp2_submit_response(sessions.server, 1, answer, std::size(answer), nullptr);
  if (!ProbeSessions::carry(sessions.server, sessions.client)) return false;
  auto untouched = [](const std::uint8_t* table) {
    return std::all_of(table, table + kTableSize, [](std::uint8_t byte) { return byte == kPoison; });
  };
  return untouched(sessions.server_probe.tables[0]) && !untouched(sessions.server_probe.tables[1]);
}

}  // namespace

void* FrameMemory::allocator() {
  static nghttp2_mem memory{nullptr, on_malloc, on_free, on_calloc, on_realloc};
  return &memory;
}

bool FrameMemory::is_shared() {
  static const bool shared = probe_frame_buffer();
  return shared;
}

bool FrameMemory::is_encoder_table_shared() {
  static const bool shared = probe_encoder_table();
  return shared;
}

void FrameMemory::set_sharing_allowed(bool allowed) { state.allowed = allowed; }

FrameMemory::MakingSession::MakingSession(bool server) {
  const bool shares = state.allowed && server;
  state.making_session = shares && is_shared();
  state.encoder_table_wanted = shares && is_encoder_table_shared();
}

FrameMemory::MakingSession::~MakingSession() { state.making_session = state.encoder_table_wanted = false; }

}  // namespace steeple::runtime::http2
