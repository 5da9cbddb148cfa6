#include "agent/endpoints/status_text.h"

#include "runtime/grpc/framing.h"

namespace steeple::agent::status_text {

using runtime::ErrorCode;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

Status make(StatusCode code, std::string_view text) { return Status(code, std::string(text)); }

}  // namespace

Status security_header_missing() { return make(StatusCode::kInvalidArgument, kSecurityHeaderMissing); }
Status attestation_failed() { return make(StatusCode::kUnavailable, kAttestationFailed); }
Status no_identity_issued() { return make(StatusCode::kPermissionDenied, kNoIdentityIssued); }
Status stopping() { return make(StatusCode::kUnavailable, kStopping); }
Status context_canceled() { return make(StatusCode::kCancelled, "context canceled"); }
Status deadline_exceeded() { return make(StatusCode::kDeadlineExceeded, "context deadline exceeded"); }

Status missing_audience() { return make(StatusCode::kInvalidArgument, "audience must be specified"); }
Status missing_svid() { return make(StatusCode::kInvalidArgument, "svid must be specified"); }

Status invalid_requested_id(const runtime::Error& error) {
  return Status(StatusCode::kInvalidArgument, "invalid requested SPIFFE ID: " + error.message());
}

Status jwt_svid_not_fetched(const runtime::Error& error) {
  return Status(StatusCode::kUnavailable, "could not fetch JWT-SVID: " + error.message());
}

Status invalid_jwt_svid(const runtime::Error& error) { return make(StatusCode::kInvalidArgument, error.message()); }

Status bundle_not_available() {
  return make(StatusCode::kUnavailable, "could not serialize response: bundle not available");
}

Status malformed_stream_request() { return runtime::grpc::undecodable_message(); }

Status malformed_unary_request() {
  return make(StatusCode::kInternal, "grpc: error unmarshalling request: proto: cannot parse invalid wire-format data");
}

Status rate_limited(std::string_view full_method) {
  return Status(StatusCode::kUnavailable, "rate limit exceeded for " + std::string(full_method));
}

Status of_wait(const runtime::Error& error) {
  if (error.code() == ErrorCode::kCancelled) return context_canceled();
  if (error.code() == ErrorCode::kDeadline) return deadline_exceeded();
  return runtime::grpc::to_status(error);
}

}  // namespace steeple::agent::status_text
