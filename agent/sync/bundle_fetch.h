// Fetches the bundles of one sync pass: the own one, and those of the trust domains that entries federate with, ten at
// a time (server-sync 3.5). The own trust domain among the latter is passed over (7.1). I/O thread only.
#pragma once

#include <vector>

#include "agent/server/server_client.h"

namespace steeple::agent {

inline constexpr std::size_t kFederatedFetchesMax = 10;

// `known`: what is kept of a trust domain whose new bundle cannot be read.
runtime::Task<ServerResult<BundleSet>> fetch_bundles(runtime::Loop& loop, ServerClient& server, TrustDomain own,
                                                     std::vector<TrustDomain> federated, const BundleSet& known,
                                                     runtime::Deadline deadline, runtime::StopToken stop);

}  // namespace steeple::agent
