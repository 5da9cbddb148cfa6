// The security header (endpoints 1.6): a Workload API call carries `workload.spiffe.io: true`, exactly once, so that a
// request which a browser or a confused proxy was made to send is refused. Other services need none. Pure.
#pragma once

#include <string_view>

#include "runtime/grpc/metadata.h"
#include "runtime/grpc/status.h"

namespace steeple::agent {

bool has_security_header(const runtime::grpc::Metadata& metadata);

// OK, or the status that the call ends with.
runtime::grpc::Status check_security_header(std::string_view path, const runtime::grpc::Metadata& metadata);

}  // namespace steeple::agent
