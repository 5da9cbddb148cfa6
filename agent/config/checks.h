// The single checks of config-cli 2.3, each pure, with SPIRE's texts. load.cc calls them in SPIRE's order.
#pragma once

#include "agent/config/plugin_config.h"
#include "agent/config/sections.h"
#include "agent/spiffe/trust_domain.h"

namespace steeple::agent {

runtime::Result<void> check_feature_flags(const std::vector<std::string>& flags);
runtime::Result<void> check_required_and_sources(const AgentSection& agent);  // steps 5 to 10
runtime::Result<void> check_admin_socket(const AgentSection& agent);
runtime::Result<void> check_delegates(const AgentSection& agent, const TrustDomain& trust_domain);
runtime::Result<void> check_broker(const AgentSection& agent);
runtime::Result<void> check_rate_limits(const RateLimitSection& limits);

// Logs one line per section with keys nobody knows, and fails when there was one. Sections where SPIRE overlooks them
// get a warning.
runtime::Result<void> check_unknown_keys(const ConfigFile& file, const runtime::Logger& log);

// Keys that are accepted without effect, and old spellings: one warning each.
void warn_about_old_keys(const ConfigFile& file, const runtime::Logger& log);

// The one table of what SPIRE has and this version of Steeple has not. Later versions only take lines out of it.
runtime::Result<void> refuse_missing_features(const ConfigFile& file);

}  // namespace steeple::agent
