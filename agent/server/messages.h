// Protobuf messages to bytes and back, for the sources of agent/server.
#pragma once

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::agent {

template <class Message>
runtime::Bytes serialize(const Message& message) {
  runtime::Bytes bytes(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(bytes.data());
  return bytes;
}

// kMalformed with the text grpc-go gives it.
template <class Message>
runtime::Result<void> parse(runtime::BytesView bytes, Message& message) {
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
  return runtime::Error(runtime::ErrorCode::kMalformed,
                        "rpc error: code = Internal desc = grpc: failed to unmarshal the received message");
}

}  // namespace steeple::agent
