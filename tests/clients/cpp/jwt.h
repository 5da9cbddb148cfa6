// JWT-SVIDs verified with JWT bundles.
#pragma once

#include <string>

#include "workload.pb.h"

// The SPIFFE ID of a genuine token of this audience that has not expired; throws for any other.
std::string verify_jwt(const std::string& audience, const std::string& token, const JWTBundlesResponse& bundles);
