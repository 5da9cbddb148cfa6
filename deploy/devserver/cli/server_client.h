// Calls to the server over its private socket, for the command line. Each call has its own loop and connection;
// blocking, main thread. An error's text is what the real command line prints ("rpc error: code = NotFound desc =
// ...").
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::devserver {

runtime::Result<runtime::Bytes> call_server(const std::string& socket, std::string_view method, runtime::Bytes request);

// `Message` is a protobuf message; for the commands' .cc files.
template <class Response, class Request>
runtime::Result<Response> call(const std::string& socket, std::string_view method, const Request& request) {
  std::string bytes = request.SerializeAsString();
  STEEPLE_TRY(answer, call_server(socket, method, runtime::to_bytes(runtime::as_bytes(bytes))));
  Response response;
  if (!response.ParseFromArray(answer.data(), static_cast<int>(answer.size()))) {
    return runtime::Error(runtime::ErrorCode::kMalformed, "the server's answer cannot be read");
  }
  return response;
}

}  // namespace steeple::devserver
