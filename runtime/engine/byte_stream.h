// What a protocol needs from a connection, whatever carries its bytes: a Unix socket on io_uring or epoll (both model
// the ByteStream concept, no virtual call per byte), or TLS over TCP (Transport, the virtual twin, for the few
// connections where a call costs nothing). I/O thread only.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::runtime {

// Bytes that arrived, in a buffer lent by the engine; it goes back when this object dies. Empty means end of stream.
class ReceivedBytes {
 public:
  using Release = void (*)(void* owner, std::uint32_t slot);
  ReceivedBytes() = default;
  ReceivedBytes(BytesView bytes, Release release, void* owner, std::uint32_t slot)
      : bytes_(bytes), release_(release), owner_(owner), slot_(slot) {}
  ReceivedBytes(ReceivedBytes&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})),
        release_(std::exchange(other.release_, nullptr)),
        owner_(other.owner_),
        slot_(other.slot_) {}
  ReceivedBytes& operator=(ReceivedBytes&& other) noexcept {
    if (this != &other) {
      give_back();
      bytes_ = std::exchange(other.bytes_, {});
      release_ = std::exchange(other.release_, nullptr);
      owner_ = other.owner_;
      slot_ = other.slot_;
    }
    return *this;
  }
  ~ReceivedBytes() { give_back(); }

  BytesView view() const { return bytes_; }
  bool end_of_stream() const { return bytes_.empty(); }

 private:
  void give_back() {
    if (release_) std::exchange(release_, nullptr)(owner_, slot_);
  }
  BytesView bytes_;
  Release release_ = nullptr;
  void* owner_ = nullptr;
  std::uint32_t slot_ = 0;
};

template <class A, class T>
concept AwaitsTo = requires(A awaitable) {
  { awaitable.await_resume() } -> std::same_as<T>;
};

// Rules: at most one receive() and one send() at a time. close() is awaited exactly once, before the object dies, with
// no other await pending (cancel() first); it never takes longer than a second.
template <class C>
concept ByteStream = requires(C& stream, BytesView bytes, StopReason reason) {
  { stream.receive() } -> AwaitsTo<Result<ReceivedBytes>>;
  { stream.send(bytes) } -> AwaitsTo<Result<void>>;  // all of it; the bytes stay valid until the await ends
  {
    stream.try_send(bytes)
  } -> std::same_as<Result<std::size_t>>;           // what the kernel takes now, perhaps 0; not during send()
  { stream.cancel(reason) } -> std::same_as<void>;  // pending and later receive() and send() end with kCancelled
  { stream.close() } -> AwaitsTo<void>;
};

// A stream that says so makes a system call for each send(): try_send() first then spares a task that waits.
template <class C>
inline constexpr bool kSendsAtOnce = requires { requires C::kSendsAtOnce; };

class Transport {
 public:
  virtual ~Transport() = default;
  virtual Task<Result<ReceivedBytes>> receive() = 0;
  virtual Task<Result<void>> send(BytesView bytes) = 0;
  virtual Result<std::size_t> try_send(BytesView bytes) = 0;
  virtual void cancel(StopReason reason) = 0;
  virtual Task<void> close() = 0;
  // DER certificates the peer presented and the verifier accepted, leaf first. Empty: none asked for or none given.
  virtual const std::vector<Bytes>& peer_certificates() const = 0;
};
static_assert(ByteStream<Transport>);

// Makes client connections for a channel: TLS to a server, or a Unix socket.
class Connector {
 public:
  virtual ~Connector() = default;
  virtual Task<Result<std::unique_ptr<Transport>>> connect(Deadline deadline, StopToken stop) = 0;
};

}  // namespace steeple::runtime
