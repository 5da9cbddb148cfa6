// Parse and answer of the admin socket's small unary calls.
#pragma once

#include "agent/endpoints/status_text.h"
#include "runtime/grpc/call.h"

namespace steeple::agent {

template <class Message>
bool parse_request(const runtime::grpc::ServerCall& call, Message& message) {
  return message.ParseFromArray(call.request().data(), static_cast<int>(call.request().size()));
}

template <class Message>
runtime::Task<runtime::grpc::Status> answer_unary(runtime::grpc::ServerCall& call, Message message) {
  const std::string encoded = message.SerializeAsString();
  runtime::Result<void> sent = co_await call.send(runtime::grpc::make_message(runtime::as_bytes(encoded)));
  if (!sent) co_return status_text::of_wait(sent.error());
  co_return runtime::grpc::Status::ok();
}

}  // namespace steeple::agent
