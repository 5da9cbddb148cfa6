#include "agent/config/sections.h"

namespace steeple::agent {

bool RateLimitSection::operator==(const RateLimitSection& other) const {
  return fetch_x509_svid == other.fetch_x509_svid && fetch_jwt_svid == other.fetch_jwt_svid &&
         fetch_x509_bundles == other.fetch_x509_bundles && fetch_jwt_bundles == other.fetch_jwt_bundles &&
         stream_secrets == other.stream_secrets && fetch_secrets == other.fetch_secrets;
}

bool ExperimentalSection::is_empty() const {
  return sync_interval.empty() && jwt_svid_cache_hit_timeout.empty() && named_pipe_name.empty() &&
         admin_named_pipe_name.empty() && !use_sync_authorized_entries && !require_pq_kem &&
         ratelimit == RateLimitSection{} && !broker && feature_flags.empty();
}

}  // namespace steeple::agent
