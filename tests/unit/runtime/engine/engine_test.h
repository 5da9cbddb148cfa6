// Shared by the tests of both engines: engines, socket pairs, and coroutines that drive a connection.
#pragma once

#include <sys/resource.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "runtime/engine/epoll_engine.h"
#include "runtime/engine/uring_engine.h"
#include "runtime/task/blocking.h"
#include "runtime/task/task_group.h"

namespace steeple::runtime {

// Null where the kernel or a container forbids io_uring and the run does not insist on it.
template <class E>
std::unique_ptr<E> make_engine(Loop& loop) {
  Result<std::unique_ptr<E>> engine = E::create(loop);
  if (engine) return std::move(*engine);
  WARN("not tested here: " << engine.error().message());
  const bool required = std::getenv("STEEPLE_REQUIRE_IO_URING") != nullptr || std::is_same_v<E, EpollEngine>;
  REQUIRE_FALSE(required);
  return nullptr;
}

inline std::pair<FileDescriptor, FileDescriptor> socket_pair() {
  int pair[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  return {FileDescriptor(pair[0]), FileDescriptor(pair[1])};
}

// Two connections of an engine that are each other's peers.
template <class E>
class ConnectedPair {
 public:
  explicit ConnectedPair(E& engine) {
    auto [a, b] = socket_pair();
    left = engine.adopt(std::move(a));
    right = engine.adopt(std::move(b));
  }
  Task<void> close() {
    co_await left->close();
    co_await right->close();
  }
  std::unique_ptr<typename E::Connection> left;
  std::unique_ptr<typename E::Connection> right;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "steeple-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// Raises the soft limit of descriptors and says how many connections, at three descriptors each, a test may make.
inline std::size_t connections_possible(std::size_t wanted) {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 65'536);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  return std::min<std::size_t>(wanted, (limit.rlim_cur - 100) / 3);
}

inline Bytes pattern(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>((i * 131) >> 3);
  return bytes;
}

template <class C>
Task<void> echo_until_end(C& connection) {
  for (;;) {
    Bytes copy;
    {
      Result<ReceivedBytes> received = co_await connection.receive();
      if (!received || received->end_of_stream()) break;
      copy = to_bytes(received->view());
    }
    Result<void> sent = co_await connection.send(copy);
    if (!sent) break;
  }
}

// Collects until end of stream or `size` bytes.
template <class C>
Task<void> collect(C& connection, Bytes* out, std::size_t size) {
  while (out->size() < size) {
    Result<ReceivedBytes> received = co_await connection.receive();
    CHECK(received);
    if (!received || received->end_of_stream()) break;
    out->insert(out->end(), received->view().begin(), received->view().end());
  }
}

template <class C>
Task<void> send_all(C& connection, const Bytes* bytes) {
  Result<void> sent = co_await connection.send(*bytes);
  CHECK(sent);
}

template <class C>
Task<void> keep_receive(C& connection, std::optional<Result<std::string>>* out) {
  Result<ReceivedBytes> received = co_await connection.receive();
  if (received) {
    out->emplace(to_text(received->view()));
  } else {
    out->emplace(received.error());
  }
}

template <class C>
Task<void> keep_send(C& connection, const Bytes* bytes, std::optional<Result<void>>* out) {
  out->emplace(co_await connection.send(*bytes));
}

}  // namespace steeple::runtime
