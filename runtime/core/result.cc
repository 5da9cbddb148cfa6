#include "runtime/core/result.h"

#include <cerrno>
#include <cstring>

namespace steeple::runtime {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kCancelled:
      return "cancelled";
    case ErrorCode::kDeadline:
      return "deadline";
    case ErrorCode::kClosed:
      return "closed";
    case ErrorCode::kLimit:
      return "limit";
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kDenied:
      return "denied";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kAlreadyExists:
      return "already exists";
    case ErrorCode::kFailedPrecondition:
      return "failed precondition";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kUnauthenticated:
      return "unauthenticated";
    case ErrorCode::kUnimplemented:
      return "unimplemented";
    case ErrorCode::kUntrusted:
      return "untrusted";
    case ErrorCode::kTls:
      return "tls";
    case ErrorCode::kSystem:
      return "system";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "internal";
}

Error Error::with_context(std::string_view doing) && {
  message_.insert(0, std::string(doing) + ": ");
  return std::move(*this);
}

Error Error::with_context(std::string_view doing) const& { return Error(code_, std::string(doing) + ": " + message_); }

Error system_error(std::string_view doing, int error_number) {
  ErrorCode code = ErrorCode::kSystem;
  if (error_number == ENOENT) code = ErrorCode::kNotFound;
  if (error_number == EACCES || error_number == EPERM) code = ErrorCode::kDenied;
  char buffer[128];
  const char* text = strerror_r(error_number, buffer, sizeof buffer);
  return Error(code, std::string(doing) + ": " + text);
}

}  // namespace steeple::runtime
