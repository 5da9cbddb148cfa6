#include "runtime/grpc/status.h"

#include <fmt/format.h>

namespace steeple::runtime::grpc {
namespace {

StatusCode to_status_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCancelled:
      return StatusCode::kCancelled;
    case ErrorCode::kDeadline:
      return StatusCode::kDeadlineExceeded;
    case ErrorCode::kLimit:
      return StatusCode::kResourceExhausted;
    case ErrorCode::kMalformed:
    case ErrorCode::kInvalidArgument:
      return StatusCode::kInvalidArgument;
    case ErrorCode::kDenied:
      return StatusCode::kPermissionDenied;
    case ErrorCode::kNotFound:
      return StatusCode::kNotFound;
    case ErrorCode::kAlreadyExists:
      return StatusCode::kAlreadyExists;
    case ErrorCode::kFailedPrecondition:
      return StatusCode::kFailedPrecondition;
    case ErrorCode::kClosed:
    case ErrorCode::kUntrusted:
    case ErrorCode::kTls:
    case ErrorCode::kUnavailable:
      return StatusCode::kUnavailable;
    case ErrorCode::kUnauthenticated:
      return StatusCode::kUnauthenticated;
    case ErrorCode::kUnimplemented:
      return StatusCode::kUnimplemented;
    case ErrorCode::kSystem:
    case ErrorCode::kInternal:
      return StatusCode::kInternal;
  }
  return StatusCode::kUnknown;
}

ErrorCode to_error_code(StatusCode code) {
  switch (code) {
    case StatusCode::kCancelled:
      return ErrorCode::kCancelled;
    case StatusCode::kInvalidArgument:
    case StatusCode::kOutOfRange:
      return ErrorCode::kInvalidArgument;
    case StatusCode::kDeadlineExceeded:
      return ErrorCode::kDeadline;
    case StatusCode::kNotFound:
      return ErrorCode::kNotFound;
    case StatusCode::kAlreadyExists:
      return ErrorCode::kAlreadyExists;
    case StatusCode::kPermissionDenied:
      return ErrorCode::kDenied;
    case StatusCode::kResourceExhausted:
      return ErrorCode::kLimit;
    case StatusCode::kFailedPrecondition:
      return ErrorCode::kFailedPrecondition;
    case StatusCode::kUnimplemented:
      return ErrorCode::kUnimplemented;
    case StatusCode::kAborted:
    case StatusCode::kUnavailable:
      return ErrorCode::kUnavailable;
    case StatusCode::kUnauthenticated:
      return ErrorCode::kUnauthenticated;
    case StatusCode::kOk:
    case StatusCode::kUnknown:
    case StatusCode::kInternal:
    case StatusCode::kDataLoss:
      return ErrorCode::kInternal;
  }
  return ErrorCode::kInternal;
}

}  // namespace

std::string_view to_string(StatusCode code) {
  switch (code) {
    case StatusCode::kOk:
      return "OK";
    case StatusCode::kCancelled:
      return "Canceled";
    case StatusCode::kUnknown:
      return "Unknown";
    case StatusCode::kInvalidArgument:
      return "InvalidArgument";
    case StatusCode::kDeadlineExceeded:
      return "DeadlineExceeded";
    case StatusCode::kNotFound:
      return "NotFound";
    case StatusCode::kAlreadyExists:
      return "AlreadyExists";
    case StatusCode::kPermissionDenied:
      return "PermissionDenied";
    case StatusCode::kResourceExhausted:
      return "ResourceExhausted";
    case StatusCode::kFailedPrecondition:
      return "FailedPrecondition";
    case StatusCode::kAborted:
      return "Aborted";
    case StatusCode::kOutOfRange:
      return "OutOfRange";
    case StatusCode::kUnimplemented:
      return "Unimplemented";
    case StatusCode::kInternal:
      return "Internal";
    case StatusCode::kUnavailable:
      return "Unavailable";
    case StatusCode::kDataLoss:
      return "DataLoss";
    case StatusCode::kUnauthenticated:
      return "Unauthenticated";
  }
  return "";
}

std::string Status::text() const {
  std::string_view name = to_string(code_);
  std::string number = name.empty() ? fmt::format("Code({})", static_cast<int>(code_)) : std::string(name);
  return fmt::format("rpc error: code = {} desc = {}", number, message_);
}

Status to_status(const Error& error) { return Status(to_status_code(error.code()), error.message()); }

Error to_error(const Status& status) { return Error(to_error_code(status.code()), status.text()); }

}  // namespace steeple::runtime::grpc
