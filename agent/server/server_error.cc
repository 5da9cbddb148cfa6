#include "agent/server/server_error.h"

#include "google/rpc/status.pb.h"
#include "spire/api/types/status.pb.h"

namespace steeple::agent {
namespace {

using runtime::ErrorCode;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
using spire::api::types::PermissionDeniedDetails;

constexpr std::string_view kDetailsType = "type.googleapis.com/spire.api.types.PermissionDeniedDetails";

PermissionDeniedDetails::Reason denial_reason(const Status& status) {
  google::rpc::Status details;
  if (status.details().empty() || !details.ParseFromString(status.details())) return PermissionDeniedDetails::UNKNOWN;
  for (const google::protobuf::Any& any : details.details()) {
    PermissionDeniedDetails denied;
    if (any.type_url() == kDetailsType && denied.ParseFromString(any.value())) return denied.reason();
  }
  return PermissionDeniedDetails::UNKNOWN;
}

ServerErrorClass class_of_denial(const Status& status) {
  switch (denial_reason(status)) {
    case PermissionDeniedDetails::AGENT_EXPIRED:
    case PermissionDeniedDetails::AGENT_NOT_ATTESTED:
    case PermissionDeniedDetails::AGENT_NOT_ACTIVE:
    case PermissionDeniedDetails::AGENT_MUST_REATTEST:
      return ServerErrorClass::kReattest;
    case PermissionDeniedDetails::AGENT_BANNED:
      return ServerErrorClass::kBanned;
    default:
      return ServerErrorClass::kPermissionDenied;
  }
}

ServerErrorClass class_of(const Status& status, const runtime::Error* connect_error) {
  switch (status.code()) {
    case StatusCode::kPermissionDenied:
      return class_of_denial(status);
    case StatusCode::kUnimplemented:
      return ServerErrorClass::kUnimplemented;
    case StatusCode::kCancelled:
      return ServerErrorClass::kCancelled;
    case StatusCode::kDeadlineExceeded:
      return ServerErrorClass::kUnreachable;
    case StatusCode::kUnavailable:
      if (connect_error && connect_error->code() == ErrorCode::kUntrusted) return ServerErrorClass::kUnknownAuthority;
      return ServerErrorClass::kUnreachable;
    default:
      return ServerErrorClass::kOther;
  }
}

ServerErrorClass class_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUntrusted:
      return ServerErrorClass::kUnknownAuthority;
    case ErrorCode::kCancelled:
      return ServerErrorClass::kCancelled;
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadline:
      return ServerErrorClass::kUnreachable;
    default:
      return ServerErrorClass::kOther;
  }
}

}  // namespace

std::string_view to_string(ServerErrorClass error_class) {
  switch (error_class) {
    case ServerErrorClass::kReattest:
      return "reattest";
    case ServerErrorClass::kBanned:
      return "banned";
    case ServerErrorClass::kUnknownAuthority:
      return "unknown authority";
    case ServerErrorClass::kPermissionDenied:
      return "permission denied";
    case ServerErrorClass::kUnimplemented:
      return "unimplemented";
    case ServerErrorClass::kUnreachable:
      return "unreachable";
    case ServerErrorClass::kCancelled:
      return "cancelled";
    case ServerErrorClass::kOther:
      return "other";
  }
  return "";
}

ServerError::ServerError(runtime::Error error) : runtime::Error(std::move(error)), error_class_(class_of(code())) {}

ServerError ServerError::with_context(std::string_view doing) && {
  runtime::Error with_cause = static_cast<runtime::Error&&>(*this).with_context(doing);
  return ServerError(error_class_, std::move(with_cause), std::move(status_));
}

std::string_view ServerError::code_name() const {
  if (!status_.is_ok()) return runtime::grpc::to_string(status_.code());
  return error_class_ == ServerErrorClass::kUnreachable ? "Unavailable" : "Unknown";
}

ServerError classify(const Status& status, const runtime::Error* connect_error) {
  return ServerError(class_of(status, connect_error), to_error(status), status);
}

}  // namespace steeple::agent
