// Why a call to the server failed, in the classes the agent acts upon (server-sync 2.6). The class comes from the
// status details (PermissionDeniedDetails), never from the bare code; kUnknownAuthority only from our own verifier.
#pragma once

#include "runtime/core/result.h"
#include "runtime/grpc/status.h"

namespace steeple::agent {

enum class ServerErrorClass {
  kReattest,  // expired, not attested, not active, must re-attest
  kBanned,
  kUnknownAuthority,  // the server's certificate has no path to the bundle
  kPermissionDenied,  // without one of the reasons above
  kUnimplemented,
  kUnreachable,  // no connection, or no answer in time
  kCancelled,    // our own stop
  kOther,
};
std::string_view to_string(ServerErrorClass error_class);

class ServerError : public runtime::Error {
 public:
  ServerError(ServerErrorClass error_class, runtime::Error error, runtime::grpc::Status status = {})
      : runtime::Error(std::move(error)), error_class_(error_class), status_(std::move(status)) {}
  // An error of ours while reading an answer.
  ServerError(runtime::Error error);  // NOLINT(google-explicit-constructor)

  ServerErrorClass error_class() const { return error_class_; }
  const runtime::grpc::Status& status() const { return status_; }  // OK when the server sent none
  std::string_view code_name() const;  // of the status as Go prints it; "Unavailable" or "Unknown" without one
  ServerError with_context(std::string_view doing) &&;

 private:
  ServerErrorClass error_class_;
  runtime::grpc::Status status_;
};

template <class T>
using ServerResult = runtime::Result<T, ServerError>;

// `connect_error`: the channel's last connection failure, looked at when the status is UNAVAILABLE. May be null.
ServerError classify(const runtime::grpc::Status& status, const runtime::Error* connect_error);

}  // namespace steeple::agent
