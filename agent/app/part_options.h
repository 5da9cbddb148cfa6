// What the configuration means for each part of the agent. Pure functions.
#pragma once

#include "agent/config/agent_config.h"
#include "agent/endpoints/rate_limit.h"
#include "agent/health/health_listener.h"
#include "agent/node/bundle_source.h"
#include "agent/node/node_identity.h"
#include "agent/sds/sds_api.h"
#include "agent/server/server_client.h"
#include "agent/sync/jwt_fetcher.h"
#include "agent/sync/syncer.h"
#include "agent/workload_api/jwt_api.h"
#include "agent/workload_api/workload_api.h"
#include "runtime/engine/probe.h"

namespace steeple::agent {

runtime::BackendPolicy backend_policy(const AgentConfig& config);
BundleSourceOptions bundle_source_options(const AgentConfig& config);
NodeIdentityOptions identity_options(const AgentConfig& config);  // without events
ServerClientOptions server_client_options(const AgentConfig& config);
SyncerOptions syncer_options(const AgentConfig& config);
JwtFetcherOptions jwt_fetcher_options(const AgentConfig& config);
WorkloadApi::Options workload_api_options(const AgentConfig& config);  // without events
JwtApi::Options jwt_api_options(const AgentConfig& config);
SdsOptions sds_options(const AgentConfig& config);
HealthListenerOptions health_listener_options(const AgentConfig& config);
std::vector<MethodLimit> call_limits(const AgentConfig& config);

}  // namespace steeple::agent
