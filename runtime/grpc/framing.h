// gRPC's message framing: a flag byte, a 4-byte length, the message. Sans I/O, a value type; used by server and client.
// Limits: the size of a message, checked when its prefix is there; memory grows with the bytes received, not with the
// length that was announced. Error texts: endpoints 1.3.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/core/bytes.h"
#include "runtime/grpc/status.h"

namespace steeple::runtime::grpc {

inline constexpr std::size_t kMessagePrefixSize = 5;

class MessageReader {
 public:
  enum class Step { kNeedMore, kMessage, kTooLarge };

  // Takes bytes from the front of `in` until a message is complete. After kMessage, take() it; after kTooLarge, stop.
  Step feed(BytesView& in, std::size_t size_max);
  Bytes take();

  std::uint8_t flag() const { return prefix_[0]; }
  std::size_t announced_size() const;
  std::size_t buffered() const { return message_.size(); }

  // What a peer is told that ends its stream here: nothing at a message's boundary.
  bool at_boundary() const { return prefix_size_ == 0; }
  bool within_message() const { return prefix_size_ == kMessagePrefixSize; }
  Status truncated() const;  // of a unary call: "EOF" within a prefix, "unexpected EOF" within a message

 private:
  std::array<std::uint8_t, kMessagePrefixSize> prefix_{};
  std::uint8_t prefix_size_ = 0;
  Bytes message_;
};

Status message_too_large(std::size_t size, std::size_t size_max);
Status undecodable_message();  // of a streaming call: no message of its type
// OK for a plain message; the refusal for a compressed one or an unknown flag.
Status check_message_flag(std::uint8_t flag);

}  // namespace steeple::runtime::grpc
