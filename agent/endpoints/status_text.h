// What the clients of the public socket read when a call fails (endpoints 1.6-1.9, 2.1 to 2.6, 4): codes and texts
// are contract, so they are in one place. Pure.
#pragma once

#include <string_view>

#include "runtime/core/result.h"
#include "runtime/grpc/status.h"

namespace steeple::agent::status_text {

inline constexpr std::string_view kSecurityHeaderMissing = "security header missing from request";
inline constexpr std::string_view kAttestationFailed = "workload attestation failed";
inline constexpr std::string_view kNoIdentityIssued = "no identity issued";
inline constexpr std::string_view kStopping = "agent is shutting down";

runtime::grpc::Status security_header_missing();
runtime::grpc::Status attestation_failed();
runtime::grpc::Status no_identity_issued();
runtime::grpc::Status stopping();  // open calls when the agent ends
runtime::grpc::Status context_canceled();
runtime::grpc::Status deadline_exceeded();
runtime::grpc::Status missing_audience();
runtime::grpc::Status missing_svid();
runtime::grpc::Status invalid_requested_id(const runtime::Error& error);
runtime::grpc::Status jwt_svid_not_fetched(const runtime::Error& error);
runtime::grpc::Status invalid_jwt_svid(const runtime::Error& error);  // the text is the error's
runtime::grpc::Status bundle_not_available();                         // the own bundle is not known yet
runtime::grpc::Status malformed_stream_request();  // a request message of a streaming call that does not decode
runtime::grpc::Status malformed_unary_request();
runtime::grpc::Status rate_limited(std::string_view full_method);

// A failed wait for the cache, or a failed send: the context's status when the caller has gone, else what the error
// says.
runtime::grpc::Status of_wait(const runtime::Error& error);

}  // namespace steeple::agent::status_text
