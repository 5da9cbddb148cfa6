#include "runtime/grpc/framing.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/grpc/call.h"

namespace steeple::runtime::grpc {
namespace {

constexpr std::size_t kReserveMax = 16 << 10;  // more is reserved only as bytes arrive

}  // namespace

std::size_t MessageReader::announced_size() const {
  return std::size_t{prefix_[1]} << 24 | std::size_t{prefix_[2]} << 16 | std::size_t{prefix_[3]} << 8 | prefix_[4];
}

MessageReader::Step MessageReader::feed(BytesView& in, std::size_t size_max) {
  while (prefix_size_ < kMessagePrefixSize) {
    if (in.empty()) return Step::kNeedMore;
    prefix_[prefix_size_++] = in.front();
    in = in.subspan(1);
    if (prefix_size_ == kMessagePrefixSize) {
      if (announced_size() > size_max) return Step::kTooLarge;
      message_.reserve(std::min(announced_size(), kReserveMax));
    }
  }
  std::size_t taken = std::min(in.size(), announced_size() - message_.size());
  message_.insert(message_.end(), in.begin(), in.begin() + static_cast<std::ptrdiff_t>(taken));
  in = in.subspan(taken);
  return message_.size() == announced_size() ? Step::kMessage : Step::kNeedMore;
}

Bytes MessageReader::take() {
  prefix_size_ = 0;
  return std::exchange(message_, {});
}

Status MessageReader::truncated() const {
  return Status(StatusCode::kUnknown, within_message() ? "unexpected EOF" : "EOF");
}

Status message_too_large(std::size_t size, std::size_t size_max) {
  return Status(StatusCode::kResourceExhausted,
                fmt::format("grpc: received message larger than max ({} vs. {})", size, size_max));
}

Status undecodable_message() {
  return Status(StatusCode::kInternal,
                "grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data");
}

Status check_message_flag(std::uint8_t flag) {
  if (flag == 0) return Status::ok();
  if (flag == 1) return Status(StatusCode::kInternal, "grpc: compressed flag set with identity or empty encoding");
  return Status(StatusCode::kInternal, fmt::format("grpc: received unexpected payload format {}", flag));
}

SharedBytes make_message(BytesView message, bool secret) {
  STEEPLE_ASSERT(message.size() <= 0xffffffffu);
  auto size = static_cast<std::uint32_t>(message.size());
  Bytes framed;
  framed.reserve(kMessagePrefixSize + message.size());
  framed.push_back(0);
  for (int shift : {24, 16, 8, 0}) framed.push_back(static_cast<std::uint8_t>(size >> shift));
  framed.insert(framed.end(), message.begin(), message.end());
  return SharedBytes(std::move(framed), secret);
}

}  // namespace steeple::runtime::grpc
