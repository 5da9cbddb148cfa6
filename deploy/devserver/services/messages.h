// Between a call's bytes and a function on messages. Templates over protobuf messages; included by the services' .cc
// only.
#pragma once

#include "deploy/devserver/services/context.h"

namespace steeple::devserver {

template <class T>
using Answer = runtime::Result<T, runtime::grpc::Status>;

template <class Message>
bool decode(Message& message, runtime::BytesView bytes) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

inline runtime::grpc::Status malformed_message() {
  return runtime::grpc::Status(runtime::grpc::StatusCode::kInternal, "grpc: error unmarshalling request");
}

// The message is taken by value: `message` must not be referred to while the send waits.
template <class Message>
runtime::SharedBytes encode(const Message& message) {
  return runtime::grpc::make_message(runtime::as_bytes(message.SerializeAsString()));
}

inline runtime::Task<runtime::grpc::Status> send(runtime::grpc::ServerCall& call, runtime::SharedBytes message) {
  auto sent = co_await call.send(std::move(message));
  co_return sent ? runtime::grpc::Status::ok() : runtime::grpc::to_status(sent.error());
}

// A unary RPC whose work is one function that does not wait: Answer<Response> function(context, caller, request).
template <class Request, auto kFunction>
runtime::Task<runtime::grpc::Status> unary(ServerContext& context, runtime::grpc::ServerCall& call,
                                           const Caller& caller) {
  Request request;
  if (!decode(request, call.request())) co_return malformed_message();
  auto answer = kFunction(context, caller, request);
  if (!answer) co_return std::move(answer.error());
  co_return co_await send(call, encode(*answer));
}

}  // namespace steeple::devserver
