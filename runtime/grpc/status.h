// gRPC status: the wire's code, text and details, and the only place where an Error becomes one.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::runtime::grpc {

enum class StatusCode {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};
std::string_view to_string(StatusCode code);  // as Go prints it: "PermissionDenied", "OK", "Canceled"

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message, std::string details = {})
      : code_(code), message_(std::move(message)), details_(std::move(details)) {}
  static Status ok() { return {}; }

  bool is_ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& details() const { return details_; }  // a serialised google.rpc.Status, or empty
  std::string text() const;  // "rpc error: code = PermissionDenied desc = no identity issued"
  bool operator==(const Status&) const = default;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
  std::string details_;
};

Status to_status(const Error& error);
Error to_error(const Status& status);  // the text is Status::text()

}  // namespace steeple::runtime::grpc
