// Every metric's name, dotted, without its prefix (config-cli 6.2 to 6.4). Names of RPCs follow from their paths
// (rpc_metrics.h).
#pragma once

#include <string_view>

namespace steeple::agent::metric {

inline constexpr std::string_view kStarted = "started";
inline constexpr std::string_view kUptime = "uptime_in_ms";
inline constexpr std::string_view kCacheEntries = "lru_cache_record_map_size";
inline constexpr std::string_view kCacheSvids = "lru_cache_svid_map_size";
inline constexpr std::string_view kJwtCacheSvids = "jwt_svid_cache_size";
inline constexpr std::string_view kRuntimeThreads = "runtime.num_goroutines";
inline constexpr std::string_view kRuntimeAllocBytes = "runtime.alloc_bytes";
inline constexpr std::string_view kRuntimeSysBytes = "runtime.sys_bytes";
inline constexpr std::string_view kAttestation = "workload_api.workload_attestation";
inline constexpr std::string_view kAttestor = "workload_api.workload_attestor";
inline constexpr std::string_view kDiscoveredSelectors = "workload_api.discovered_selectors";
inline constexpr std::string_view kFetchEntries = "manager.sync.fetch_entries_updates";
inline constexpr std::string_view kFetchSvids = "manager.sync.fetch_svids_updates";
inline constexpr std::string_view kExpiringSvids = "cache_manager.expiring_svids";
inline constexpr std::string_view kSyncBundles = "sync_bundles_total";
inline constexpr std::string_view kSyncEntries = "sync_entries_total";
inline constexpr std::string_view kSyncMissing = "sync_entries_missing";
inline constexpr std::string_view kSyncStale = "sync_entries_stale";
inline constexpr std::string_view kSyncDropped = "sync_entries_dropped";
inline constexpr std::string_view kCacheEntryAdd = "lru_cache_entry_add";
inline constexpr std::string_view kCacheEntryUpdate = "lru_cache_entry_update";
inline constexpr std::string_view kCacheEntryRemove = "lru_cache_entry_remove";
inline constexpr std::string_view kTaintedX509 = "cache_manager.tainted_x509_svids.workload";
inline constexpr std::string_view kTaintX509 = "cache_manager.workload.process_tainted_x509_svids";
inline constexpr std::string_view kTaintedJwt = "cache_manager.tainted_jwt_svids.workload";
inline constexpr std::string_view kTaintJwt = "cache_manager.workload.process_tainted_jwt_svids";
inline constexpr std::string_view kRateLimited = "workload_api.rate_limit_exceeded";
inline constexpr std::string_view kDelegatedFirstUpdate =
    "delegated_identity_api.subscribe_x509_svids.first_update.elapsed_time";
inline constexpr std::string_view kKeyManager = "agent_key_manager";
inline constexpr std::string_view kBootstrapped = "bootstrapped";
inline constexpr std::string_view kBootstrapSeconds = "bootstrap_seconds";
inline constexpr std::string_view kBootstrapAttempts = "bootstrap_attempts";
inline constexpr std::string_view kNewSvid = "node.attestor.new_svid";
inline constexpr std::string_view kReattest = "node.attest";
inline constexpr std::string_view kRotateSvid = "agent_svid.rotate";
inline constexpr std::string_view kHeapObjects = "runtime.heap_objects";
inline constexpr std::string_view kMallocCount = "runtime.malloc_count";
inline constexpr std::string_view kFreeCount = "runtime.free_count";

// Steeple's own, with their whole names.
inline constexpr std::string_view kIoBackend = "steeple.io_backend";
inline constexpr std::string_view kSyncAge = "steeple.sync_age_seconds";
inline constexpr std::string_view kExpiredServed = "steeple.x509_svids_expired";
inline constexpr std::string_view kSubscribers = "steeple.subscribers";
inline constexpr std::string_view kFirstSvidStage = "steeple.first_svid_stage_seconds";  // label stage
inline constexpr std::string_view kCallersWithoutEntry = "steeple.callers_without_entry";
inline constexpr std::string_view kNearestExpiry = "steeple.nearest_svid_expiry_seconds";
inline constexpr std::string_view kAgentExpiry = "steeple.agent_svid_expiry_seconds";

}  // namespace steeple::agent::metric
