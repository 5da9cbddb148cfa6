#include "agent/spiffe/trust_domain.h"

#include <algorithm>

#include "agent/spiffe/spiffe_id.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

bool is_trust_domain_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

Result<TrustDomain> TrustDomain::parse(std::string_view name_or_id) {
  if (name_or_id.empty()) return Error(ErrorCode::kInvalidArgument, "trust domain is missing");
  if (name_or_id.find(":/") != std::string_view::npos) {
    STEEPLE_TRY(id, SpiffeId::parse(name_or_id));
    return id.trust_domain();
  }
  if (!std::all_of(name_or_id.begin(), name_or_id.end(), is_trust_domain_character)) {
    return Error(ErrorCode::kInvalidArgument,
                 "trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores");
  }
  return TrustDomain(std::string(name_or_id));
}

}  // namespace steeple::agent
